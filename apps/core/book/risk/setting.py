"""Deciding limits: set, begin to measure, follow money, lift a stop. Pure."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.commands import LiftStop, SetProtection
from apps.core.book.events import (
    BalanceSettled,
    CloseFilled,
    Event,
    LegClosed,
    MasterFlowed,
    MasterReferenceStarted,
    MemberDetached,
    MemberLinked,
    MembersLinked,
    OwnTicketReduced,
    ProtectionSet,
    ReferencesStarted,
    StopLifted,
    TicketClosedByServer,
)
from apps.core.book.market import Market
from apps.core.book.marking import floating
from apps.core.book.placing import Decided
from apps.core.book.risk.levels import begun_levels
from apps.core.book.risk.settings import (
    PARTIES,
    Party,
    check_may_lift,
    check_may_set,
    check_protection,
)
from apps.core.book.risk.worth import equity, in_book_currency, master_sum
from apps.core.book.state import DETACHED, BookState, References, Stop
from apps.core.errors import ConflictError, InputError


def set_protection(state: BookState, command: SetProtection, market: Market) -> Decided:
    """One party's limits, all of them. Who is watched from now on gets references of now."""
    _check_party(command.party)
    check_may_set(command.party, command.scope)
    if (command.scope == "account") != (command.account_id is not None):
        raise InputError("protection_invalid", "Name an account for its limits, and only then.")
    if command.account_id is not None:
        state.member(command.account_id)
    protection = check_protection(command.protection, command.scope)
    events: list[Event] = [
        ProtectionSet(
            scope=command.scope,
            account_id=command.account_id,
            party=command.party,
            protection=protection,
        )
    ]
    if protection.stops:
        events += _beginning(state, command, market)
    return events, {"scope": command.scope, "account_id": command.account_id, "status": "set"}


def _beginning(state: BookState, command: SetProtection, market: Market) -> list[Event]:
    """References of those that this command makes watched."""
    worth = equity(state, market)
    if command.scope == "master":
        if state.risk.master_reference.size:
            return []
        return [_master_begins(state, market)]
    known = state.risk.references.account_ids
    if command.account_id is not None:
        wanted = vec([state.member(command.account_id)])
    else:
        wanted = np.flatnonzero(state.members.status != DETACHED)
    wanted = wanted[~np.isin(state.members.account_ids[wanted], known)]
    if not wanted.size:
        return []
    return [
        ReferencesStarted(
            account_ids=state.members.account_ids[wanted],
            balance_minor=state.members.balance_minor[wanted],
            equity_minor=worth[wanted],
        )
    ]


def _master_begins(state: BookState, market: Market) -> MasterReferenceStarted:
    return MasterReferenceStarted(
        balance_minor=master_sum(state, market, state.members.balance_minor),
        equity_minor=master_sum(state, market, equity(state, market)),
    )


def lift_stop(state: BookState, command: LiftStop, market: Market) -> Decided:
    """Only what is blocked, by who may, and not while its limit would stop it again at once.

    Raises ConflictError `stop_not_blocked`, `limit_still_reached`; ForbiddenError.
    """
    _check_party(command.party)
    stop = _held_stop(state, command.account_id)
    check_may_lift(command.party, stop.party)
    if stop.phase != "blocked":
        raise ConflictError(
            "stop_not_blocked", f"This stop is {stop.phase}: it can be lifted when it is blocked."
        )
    events: list[Event] = [
        StopLifted(
            stop_id=stop.stop_id,
            account_id=command.account_id,
            party=command.party,
            placed_by=command.placed_by,
            at_ms=market.now_ms,
        )
    ]
    events += _anew(state, command.account_id, market)
    return events, {"account_id": command.account_id, "status": "active"}


def _held_stop(state: BookState, account_id: int | None) -> Stop:
    risk = state.risk
    stop = risk.master_stop if account_id is None else risk.stops.get(account_id)
    if stop is None:
        raise ConflictError("not_stopped", "There is no stop here.")
    return stop


def _anew(state: BookState, account_id: int | None, market: Market) -> list[Event]:
    """References of now, where there are any; checks that no limit is reached by them."""
    if account_id is None:
        if not state.risk.master_reference.size:
            return []
        whole = _master_begins(state, market)
        begun = References.begun(vec([0]), vec([whole.balance_minor]), vec([whole.equity_minor]))
        _check_not_reached(state, begun, None, whole.equity_minor)
        return [whole]
    if state.risk.references.at(vec([account_id]))[0] < 0:
        return []
    at = state.member(account_id)
    balance = vec([int(state.members.balance_minor[at])])
    worth = vec([int(equity(state, market)[at])])
    _check_not_reached(
        state, References.begun(vec([account_id]), balance, worth), account_id, int(worth[0])
    )
    return [
        ReferencesStarted(account_ids=vec([account_id]), balance_minor=balance, equity_minor=worth)
    ]


def _check_not_reached(
    state: BookState, begun: References, account_id: int | None, equity_minor: int
) -> None:
    level, reason, party, _ = begun_levels(state.risk, begun, account_id).told(0)
    if equity_minor <= level:
        raise ConflictError(
            "limit_still_reached",
            f"Equity of {equity_minor} minor units is at or below the {party}'s limit of {level}"
            f" ({reason}): change that limit first.",
            equity_minor=equity_minor,
            level_minor=level,
            reason=reason,
        )


def _check_party(party: Party) -> None:
    if party not in PARTIES:
        raise InputError("protection_invalid", f"A party is one of {', '.join(PARTIES)}.")


def following(state: BookState, events: list[Event], market: Market) -> list[Event]:
    """What limits need beside `events`: references of who joins, the master's flows."""
    more: list[Event] = []
    if any(protection.stops for protection in state.risk.every.values()):
        for account_ids, balance in _joining(events):
            more.append(
                ReferencesStarted(
                    account_ids=account_ids, balance_minor=balance, equity_minor=balance
                )
            )
    if state.risk.master_reference.size:
        flow = sum(_flow(state, event, events, market) for event in events)
        if flow:
            more.append(MasterFlowed(amount_minor=flow))
    return more


def _joining(events: list[Event]) -> Iterator[tuple[Vec, Vec]]:
    """(account ids, balances) of who joins."""
    for event in events:
        match event:
            case MemberLinked(account=one):
                yield vec([one.account_id]), vec([one.balance_minor])
            case MembersLinked(accounts=table):
                yield table.account_ids, table.balance_minor
            case _:
                continue


def _flow(state: BookState, event: Event, events: list[Event], market: Market) -> int:
    """What `event` adds to the sum of all accounts without a trade, in the book's currency."""
    match event:
        case MemberLinked():
            return _converted(state, event.account.currency, event.account.balance_minor, market)
        case MembersLinked(accounts=table):
            sums = [
                (name, int(table.balance_minor[table.currency == at].sum()))
                for at, name in enumerate(table.currencies)
            ]
            return sum(_converted(state, name, total, market) for name, total in sums)
        case BalanceSettled() if event.done:
            at = state.index[event.account_id]
            if state.members.status[at] == DETACHED:
                return 0
            name = state.currencies[int(state.members.currency[at])]
            return _converted(state, name, event.amount_minor, market)
        case MemberDetached():
            at = state.index[event.account_id]
            name = state.currencies[int(state.members.currency[at])]
            return -_converted(state, name, _left_with(state, at, events, market), market)
        case _:
            return 0


def _converted(state: BookState, currency: str, amount_minor: int, market: Market) -> int:
    if currency == state.currency or currency not in state.currencies:
        return amount_minor
    return in_book_currency(state, market, state.currencies.index(currency), amount_minor)


def _left_with(state: BookState, at: int, events: list[Event], market: Market) -> int:
    """What a leaving account takes: its balance after this record, and what it holds open."""
    account_id = int(state.members.account_ids[at])
    realised = 0
    for event in events:
        if isinstance(event, CloseFilled):
            realised += int(event.pnl_minor[event.account_ids == account_id].sum())
        elif (
            isinstance(event, TicketClosedByServer | OwnTicketReduced | LegClosed)
            and event.account_id == account_id
        ):
            realised += event.pnl_minor
    held = 0 if realised else int(floating(state, market)[at])
    return int(state.members.balance_minor[at]) + realised + held
