"""Deciding money that moves without a trade: deposits, withdrawals, fees. Pure."""

from __future__ import annotations

from apps.core.book.commands import AdjustBalance, BalanceReported, Inputs
from apps.core.book.events import BalanceRequested, BalanceSettled
from apps.core.book.market import Market
from apps.core.book.marking import floating, margin_per_step, used_margin
from apps.core.book.placing import Decided
from apps.core.book.state import BalanceIntent, BookState
from apps.core.errors import ConflictError, InputError, RejectedError
from apps.core.ints import half_up_div


def adjust_balance(
    state: BookState, command: AdjustBalance, inputs: Inputs, market: Market
) -> Decided:
    """Intend a balance operation; money that is not free is refused."""
    if command.amount_minor <= 0:
        raise InputError("amount_invalid", "An amount is a positive number of minor units.")
    is_former = command.former and command.kind != "withdrawal"
    at = (state.known if is_former else state.member)(command.account_id)
    sign = 1 if command.kind == "deposit" else -1
    if sign < 0:
        free = _free_minor(state, market, at, inputs.edition)
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


def _free_minor(state: BookState, market: Market, at: int, edition: int) -> int:
    """min(balance, equity − used margin) less what pending operations will take.

    From edition 1 on the margin of shares on their way is used already.
    """
    balance = int(state.members.balance_minor[at])
    equity = balance + int(floating(state, market, strict=True)[at])
    pending = sum(
        min(0, intent.amount_minor)
        for intent in state.intents.values()
        if isinstance(intent, BalanceIntent)
        and intent.account_id == int(state.members.account_ids[at])
    )
    used = int(used_margin(state, market)[at])
    if edition >= 1:
        used += _margin_on_its_way(state, market, at)
    return min(balance, equity - used) + pending


def _margin_on_its_way(state: BookState, market: Market, at: int) -> int:
    """What the account's shares of orders at the market will take, in its minor units."""
    currency = state.currencies[int(state.members.currency[at])]
    leverage = int(state.members.leverage[at])
    total = 0
    for block in state.blocks.values():
        mine, steps = block.members == at, 0
        if block.status == "sent":
            steps = int(block.target_steps[mine].sum())
        elif block.legs is not None:
            steps = int(block.target_steps[mine & block.legs.on_way].sum())
        symbol = state.symbols[block.symbol]
        per_step = margin_per_step(state, market, symbol, currency, leverage) if steps else None
        if per_step is not None:
            total += half_up_div(steps * per_step.numerator, per_step.denominator)
    return total


def settle_balance(
    state: BookState, report: BalanceReported, inputs: Inputs, market: Market
) -> Decided:
    """Done moves the balance; refused changes nothing."""
    intent = state.intents.get(report.operation_id)
    if not isinstance(intent, BalanceIntent):
        raise ConflictError("not_pending", "This balance operation is settled already.")
    status = "done" if report.done else "rejected"
    at = state.index[intent.account_id]
    balance = int(state.members.balance_minor[at]) + (intent.amount_minor if report.done else 0)
    equity = None
    if inputs.edition >= 1 and report.done:
        equity = int((state.members.balance_minor + floating(state, market))[at])
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
        equity_minor=equity,
    )
    return [event], {
        "operation_id": str(intent.operation_id),
        "account_id": intent.account_id,
        "amount_minor": intent.amount_minor,
        "balance_minor": balance,
        "status": status,
        "code": report.code,
    }
