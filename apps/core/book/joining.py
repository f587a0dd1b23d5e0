"""Deciding who joins, and when: one account or thousands, now or when the book is flat. Pure.

What an account takes over of open blocks is decided in `takeover.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.core.book import takeover
from apps.core.book.codec import Vec
from apps.core.book.commands import (
    AccountInfo,
    AccountTable,
    Inputs,
    LinkAccount,
    LinkAccounts,
)
from apps.core.book.events import (
    BlockAllocated,
    BlockCancelled,
    BlockClosed,
    BlockRejected,
    Event,
    LinkTermsSet,
    MemberLinked,
    MembersActivated,
    MembersLinked,
)
from apps.core.book.market import Market
from apps.core.book.placing import Decided
from apps.core.book.risk.bounds import check_not_stopped
from apps.core.book.state import (
    DETACHED,
    WAITING,
    BalanceIntent,
    BookingIntent,
    BookState,
    LegIntent,
)
from apps.core.book.terms import check_terms
from apps.core.errors import ConflictError, InputError, RejectedError

_NAMED = 100
"""So many refused accounts of a bulk joining are named in the answer."""


def link_account(state: BookState, command: LinkAccount, inputs: Inputs, market: Market) -> Decided:
    """The account joins with the balance that its server states."""
    account = joining_account(state, command, inputs)
    terms = check_terms(command.terms) if command.terms is not None else None
    result: dict[str, Any] = {
        "account_id": account.account_id,
        "balance_minor": account.balance_minor,
        "status": "active",
    }
    waits = command.mode == "when_flat" and bool(live_blocks(state, []))
    events: list[Event] = [MemberLinked(account=account, mode=command.mode, waits=waits)]
    if terms is not None:
        events.append(LinkTermsSet(account_id=account.account_id, terms=terms))
    if waits:
        return events, {**result, "status": "waiting"}
    if command.mode in ("proportional_at_market", "only_losing"):
        taken = takeover.promised_or_now(state, command, account, inputs, market)
        return [*events, *taken.events], {**result, "shares": taken.as_result()}
    return events, result


def joining_account(state: BookState, command: LinkAccount, inputs: Inputs) -> AccountInfo:
    """The account, free to join. Raises InputError `account_unknown`, ConflictError
    `already_linked`, `account_stopped`, `settling`, RejectedError `server_not_mapped`,
    `own_positions_elsewhere`."""
    account = inputs.account
    if account is None or account.account_id != command.account_id:
        raise InputError("account_unknown", "The trading server does not know this account.")
    _check_server(state, account)
    at = state.index.get(command.account_id)
    if at is not None and state.members.status[at] != DETACHED:
        raise ConflictError(
            "already_linked",
            f"Account {command.account_id} is linked to this book.",
            account_id=command.account_id,
        )
    check_not_stopped(state, command.account_id)
    if command.account_id in settling_accounts(state):
        raise ConflictError(
            "settling",
            f"The server is still booking earlier trades or money of account {command.account_id};"
            " its balance is not final. Try again in a moment.",
            account_id=command.account_id,
        )
    return account


def _check_server(state: BookState, account: AccountInfo) -> None:
    if not account.server_id:
        return
    if account.server_id not in state.mirror.venues:
        raise RejectedError(
            "server_not_mapped",
            "The account lives on another trading server, and nothing says how the master's"
            " symbols are named there.",
        )
    if account.own_positions:
        raise RejectedError(
            "own_positions_elsewhere",
            "An account of another trading server joins without open positions of its own: close"
            " them first.",
        )


def settling_accounts(state: BookState) -> set[int]:
    """Whose trades or money the server has not booked yet."""
    found: set[int] = set()
    for intent in state.intents.values():
        match intent:
            case BookingIntent():
                found.update(intent.account_ids.tolist())
            case BalanceIntent():
                found.add(intent.account_id)
            case LegIntent():
                at = state.blocks[intent.block_id].members[intent.ordinal]
                found.add(int(state.members.account_ids[at]))
            case _:
                continue
    return found


def link_accounts(state: BookState, command: LinkAccounts, inputs: Inputs) -> Decided:
    """Many accounts join in one record; whoever cannot is named with the reason.

    Raises InputError `account_unknown` (the engine looked none up), `accounts_unordered`,
    `mode_not_bulk`.
    """
    table, wanted = inputs.accounts, command.account_ids
    if command.mode not in ("new_trades_only", "when_flat"):
        raise InputError(
            "mode_not_bulk", "Who takes over open positions joins alone: its cost is its own."
        )
    if table is None:
        raise InputError("account_unknown", "The trading server was not asked about accounts.")
    if not wanted.size or bool((wanted[1:] <= wanted[:-1]).any()):
        raise InputError("accounts_unordered", "Account ids are in ascending order, each once.")
    refused = _refused(state, wanted, table)
    joins = np.setdiff1d(wanted, np.concatenate([ids for _, ids in refused]))
    waits = command.mode == "when_flat" and bool(live_blocks(state, []))
    events: list[Event] = []
    if joins.size:
        at = np.searchsorted(table.account_ids, joins)
        events.append(MembersLinked(accounts=_rows(table, at), mode=command.mode, waits=waits))
    named = [{"account_id": int(a), "code": code} for code, ids in refused for a in ids[:_NAMED]]
    return events, {
        "status": "waiting" if waits else "active",
        "linked": int(joins.size),
        "refused_count": int(wanted.size - joins.size),
        "refused": named[:_NAMED],
    }


def _refused(state: BookState, wanted: Vec, table: AccountTable) -> list[tuple[str, Vec]]:
    """(code, account ids) of those that cannot join."""
    known = np.isin(wanted, table.account_ids)
    members = state.members
    linked = np.isin(wanted, members.account_ids[members.status != DETACHED])
    alone = np.isin(wanted, table.account_ids[table.holds > 0])
    stopped = np.isin(wanted, np.array(sorted(state.risk.stops), dtype=np.int64))
    mapped = [a for a, server in table.servers() if not server or server in state.mirror.venues]
    unmapped = known & ~linked & ~alone & ~np.isin(wanted, np.array(mapped, dtype=np.int64))
    free = known & ~linked & ~alone & ~unmapped
    settling = np.isin(wanted, np.array(sorted(settling_accounts(state)), dtype=np.int64))
    return [
        ("account_unknown", wanted[~known]),
        ("already_linked", wanted[known & linked]),
        ("joins_alone", wanted[known & ~linked & alone]),
        ("server_not_mapped", wanted[unmapped]),
        ("account_stopped", wanted[free & stopped]),
        ("settling", wanted[free & ~stopped & settling]),
    ]


def _rows(table: AccountTable, at: Vec) -> AccountTable:
    return AccountTable(
        account_ids=table.account_ids[at],
        logins=table.logins[at],
        currency=table.currency[at],
        leverage=table.leverage[at],
        balance_minor=table.balance_minor[at],
        holds=table.holds[at],
        currencies=table.currencies,
        currency_digits=table.currency_digits,
        server_ids=table.server_ids[at] if table.server_ids.size else table.server_ids,
    )


def live_blocks(state: BookState, events: list[Event]) -> set[object]:
    """Ids of blocks that are open or on their way to it, once `events` are applied."""
    live: set[object] = {
        block.block_id for block in state.blocks.values() if block.status in ("sent", "open")
    }
    for event in events:
        match event:
            case BlockAllocated():
                live.add(event.block_id)
            case BlockClosed() | BlockCancelled() | BlockRejected():
                live.discard(event.block_id)
            case _:
                continue
    return live


def activated(state: BookState, events: list[Event], now_ms: int) -> list[Event]:
    """Who waited for a flat book, if these events make it flat."""
    waiting = state.members.account_ids[state.members.status == WAITING]
    if not waiting.size or live_blocks(state, events):
        return []
    return [MembersActivated(account_ids=waiting, at_ms=now_ms)]
