"""Deciding who belongs: link, unlink, and money that moves without a trade. Pure."""

from __future__ import annotations

from uuid import uuid5

import numpy as np

from apps.core.book.closing import close_of_member
from apps.core.book.codec import vec
from apps.core.book.commands import (
    AdjustBalance,
    BalanceReported,
    Inputs,
    LinkAccount,
    UnlinkAccount,
)
from apps.core.book.events import (
    BalanceRequested,
    BalanceSettled,
    CloseRequested,
    Event,
    LinkTermsSet,
    MemberDetached,
    MemberDetaching,
    MemberLinked,
)
from apps.core.book.market import Market
from apps.core.book.marking import floating, used_margin
from apps.core.book.placing import Decided
from apps.core.book.state import (
    DETACHED,
    DETACHING,
    BalanceIntent,
    Block,
    BookingIntent,
    BookState,
    LegIntent,
)
from apps.core.book.terms import check_terms
from apps.core.errors import ConflictError, InputError, RejectedError


def link_account(state: BookState, command: LinkAccount, inputs: Inputs) -> Decided:
    """The account joins with the balance that its server states."""
    account = inputs.account
    if account is None or account.account_id != command.account_id:
        raise InputError("account_unknown", "The trading server does not know this account.")
    if account.server_id and account.server_id not in state.mirror.venues:
        raise RejectedError(
            "server_not_mapped",
            "The account lives on another trading server, and nothing says how the master's"
            " symbols are named there.",
        )
    at = state.index.get(command.account_id)
    if at is not None and state.members.status[at] != DETACHED:
        raise ConflictError(
            "already_linked",
            f"Account {command.account_id} is linked to this book.",
            account_id=command.account_id,
        )
    if _is_settling(state, command.account_id):
        raise ConflictError(
            "settling",
            f"The server is still booking earlier trades or money of account {command.account_id};"
            " its balance is not final. Try again in a moment.",
            account_id=command.account_id,
        )
    events: list[Event] = [MemberLinked(account=account)]
    if command.terms is not None:
        terms = check_terms(command.terms)
        events.append(LinkTermsSet(account_id=account.account_id, terms=terms))
    return events, {
        "account_id": account.account_id,
        "balance_minor": account.balance_minor,
        "status": "active",
    }


def _is_settling(state: BookState, account_id: int) -> bool:
    for intent in state.intents.values():
        match intent:
            case BookingIntent() if bool((intent.account_ids == account_id).any()):
                return True
            case BalanceIntent() if intent.account_id == account_id:
                return True
            case LegIntent() if _account_of(state, intent) == account_id:
                return True
            case _:
                continue
    return False


def _account_of(state: BookState, intent: LegIntent) -> int:
    at = state.blocks[intent.block_id].members[intent.ordinal]
    return int(state.members.account_ids[at])


def unlink_account(state: BookState, command: UnlinkAccount, market: Market) -> Decided:
    """Close the account's tickets at the market, on that account alone; detach when flat."""
    at = state.member(command.account_id)
    closes: list[CloseRequested] = []
    for block in state.blocks.values():
        if block.status == "open":
            close_id = uuid5(command.command_id, str(block.block_id))
            request = close_of_member(state, block, vec([at]), close_id, market.now_ms)
            if request is not None:
                market.fresh(block.symbol)
                closes.append(request)
    waiting = has_business(state, at)
    if state.members.status[at] == DETACHING and not closes:
        raise ConflictError("already_detaching", "This account is being detached already.")
    detaching = MemberDetaching(
        account_id=command.account_id, close_ids=[c.close_id for c in closes]
    )
    events: list[Event] = [detaching, *closes]
    if not waiting:
        events.append(detached(state, at))
    return events, {
        "account_id": command.account_id,
        "status": "detaching" if waiting else "detached",
        "closes": [
            {
                "block_id": str(close.block_id),
                "symbol": state.blocks[close.block_id].symbol,
                "steps": close.order_steps,
                "ticket_ids": close.ticket_ids.tolist(),
            }
            for close in closes
        ],
    }


def detached(state: BookState, at: int) -> MemberDetached:
    return MemberDetached(
        account_id=int(state.members.account_ids[at]),
        balance_minor=int(state.members.balance_minor[at]),
    )


def has_business(state: BookState, at: int) -> bool:
    """Whether a member has something open, or an order on its way that will open something."""
    return any(_involves(block, at) for block in state.blocks.values())


def _involves(block: Block, at: int) -> bool:
    mine = block.members == at
    if block.legs is not None and block.legs.awaited(mine):
        return True
    if block.status == "sent":
        return bool(np.any(block.booked_targets[mine] > 0))
    return block.status == "open" and bool(np.any(block.open_steps[mine] > 0))


def adjust_balance(state: BookState, command: AdjustBalance, market: Market) -> Decided:
    """Intend a balance operation; money that is not free is refused."""
    if command.amount_minor <= 0:
        raise InputError("amount_invalid", "An amount is a positive number of minor units.")
    at = state.member(command.account_id)
    sign = 1 if command.kind == "deposit" else -1
    if sign < 0:
        free = _free_minor(state, market, at)
        if command.amount_minor > free:
            raise RejectedError(
                "insufficient_funds",
                f"Only {max(free, 0)} minor units are free on this account,"
                f" not {command.amount_minor}.",
                free_minor=max(free, 0),
                amount_minor=command.amount_minor,
            )
    event = BalanceRequested(
        operation_id=command.command_id,
        account_id=command.account_id,
        kind=command.kind,
        amount_minor=sign * command.amount_minor,
        comment=command.comment,
    )
    return [event], {
        "operation_id": str(command.command_id),
        "account_id": command.account_id,
        "amount_minor": event.amount_minor,
        "status": "sent",
    }


def _free_minor(state: BookState, market: Market, at: int) -> int:
    """min(balance, equity − used margin) less what pending operations will take."""
    balance = int(state.members.balance_minor[at])
    equity = balance + int(floating(state, market, strict=True)[at])
    pending = sum(
        min(0, intent.amount_minor)
        for intent in state.intents.values()
        if isinstance(intent, BalanceIntent)
        and intent.account_id == int(state.members.account_ids[at])
    )
    return min(balance, equity - int(used_margin(state, market)[at])) + pending


def settle_balance(state: BookState, report: BalanceReported, inputs: Inputs) -> Decided:
    """Done moves the balance; refused changes nothing."""
    intent = state.intents.get(report.operation_id)
    if not isinstance(intent, BalanceIntent):
        raise ConflictError("not_pending", "This balance operation is settled already.")
    status = "done" if report.done else "rejected"
    at = state.index[intent.account_id]
    balance = int(state.members.balance_minor[at]) + (intent.amount_minor if report.done else 0)
    event = BalanceSettled(
        operation_id=intent.operation_id,
        account_id=intent.account_id,
        kind=intent.kind,
        amount_minor=intent.amount_minor,
        comment=intent.comment,
        done=report.done,
        code=report.code,
        raw=report.raw,
        at_ms=inputs.now_ms,
    )
    return [event], {
        "operation_id": str(intent.operation_id),
        "account_id": intent.account_id,
        "amount_minor": intent.amount_minor,
        "balance_minor": balance,
        "status": status,
        "code": report.code,
    }
