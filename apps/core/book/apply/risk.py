"""Limits, references, stops, and tickets that the server closed."""

from __future__ import annotations

import numpy as np

from apps.core.book import events as ev
from apps.core.book.apply.shared import Handlers, expose, rebase
from apps.core.book.codec import Vec, vec
from apps.core.book.risk.settings import NO_PROTECTION, Party, Protection
from apps.core.book.state import (
    ACTIVE,
    BLOCKED,
    CLOSE_ONLY,
    DETACHED,
    HOME,
    OUT,
    BookState,
    FlatIntent,
    References,
    Stop,
)


def _protection_set(state: BookState, event: ev.ProtectionSet) -> None:
    risk = state.risk
    sets: dict[Party, Protection] = {"every_account": risk.every, "master": risk.master}.get(
        event.scope, risk.own.setdefault(event.account_id or 0, {})
    )
    sets.pop(event.party, None)
    if event.protection != NO_PROTECTION:
        sets[event.party] = event.protection
    for account_id in [key for key, own in risk.own.items() if not own]:
        del risk.own[account_id]
    if not any(protection.stops for protection in risk.master.values()):
        risk.master_reference = References()
    gone = [a for a in risk.references.account_ids.tolist() if not risk.is_watched(a)]
    risk.references.leave(vec(gone))
    risk.forget_cached()


def _references_started(state: BookState, event: ev.ReferencesStarted) -> None:
    state.risk.begun += 1
    state.risk.references.join(
        References.begun(
            event.account_ids, event.balance_minor, event.equity_minor, state.risk.begun
        )
    )
    state.risk.forget_cached()


def _master_started(state: BookState, event: ev.MasterReferenceStarted) -> None:
    state.risk.begun += 1
    state.risk.master_reference = References.begun(
        vec([0]), vec([event.balance_minor]), vec([event.equity_minor]), state.risk.begun
    )
    state.risk.forget_cached()


def _master_flowed(state: BookState, event: ev.MasterFlowed) -> None:
    state.risk.master_reference.flowed(0, event.amount_minor)
    state.risk.forget_cached()


def _peaks_seen(state: BookState, event: ev.PeaksSeen) -> None:
    for references in (state.risk.references, state.risk.master_reference):
        at = references.at(event.account_ids)
        here = at >= 0
        references.peak[at[here]] = event.peaks_minor[here]


def _day_started(state: BookState, event: ev.DayStarted) -> None:
    risk = state.risk
    risk.day = event.day
    at = risk.references.at(event.account_ids)
    balance = state.members.balance_minor[state.places(event.account_ids)]
    _new_day(risk.references, at, balance, event.equity_minor)
    if risk.master_reference.size:
        _new_day(
            risk.master_reference,
            vec([0]),
            vec([event.master_balance_minor]),
            vec([event.master_equity_minor]),
        )
    risk.forget_cached()


def _new_day(references: References, at: Vec, balance: Vec, equity: Vec) -> None:
    references.best_balance[at] = np.maximum(references.best_balance[at], balance)
    references.day_balance[at], references.day_equity[at] = balance, equity


def _triggered(state: BookState, event: ev.StopTriggered) -> None:
    stop = Stop(stop_id=event.stop_id, reason=event.reason, party=event.party)
    if event.account_id is None:
        state.risk.master_stop = stop
        return
    state.risk.stops[event.account_id] = stop
    at = state.index[event.account_id]
    if state.members.status[at] not in OUT:  # who is on the way out goes on leaving
        state.members.status[at] = CLOSE_ONLY


def _withdrawn(state: BookState, event: ev.SharesWithdrawn) -> None:
    block = state.blocks[event.block_id]
    block.participants = block.participants[~np.isin(block.participants, event.account_ids)]


def _advanced(state: BookState, event: ev.StopsAdvanced) -> None:
    risk = state.risk
    stops = [risk.stops[account_id] for account_id in event.account_ids.tolist()]
    if event.is_master and risk.master_stop is not None:
        stops.append(risk.master_stop)
    for stop in stops:
        stop.phase, stop.not_before_ms = event.phase, event.not_before_ms
        stop.attempts = max(stop.attempts, event.attempts)
    if event.phase == "blocked" and event.account_ids.size:
        places = state.places(event.account_ids)
        status = state.members.status
        status[places[~np.isin(status[places], OUT)]] = BLOCKED


def _flat_asked(state: BookState, event: ev.FlatAsked) -> None:
    is_master = bool((event.account_ids == 0).any())
    places = state.places(event.account_ids[event.account_ids != 0])
    if is_master:
        places = np.union1d(places, np.flatnonzero(state.members.status != DETACHED))
    account_ids = state.members.account_ids[places]
    servers = [state.mirror.server_of.get(account, HOME) for account in account_ids.tolist()]
    state.intents[event.check_id] = FlatIntent(
        check_id=event.check_id,
        book_no=state.book_no,
        account_ids=account_ids,
        logins=state.members.logins[places],
        is_master=is_master,
        kept_tickets=vec(sorted(state.own_tickets)),
        server_ids=vec(servers if any(servers) else []),
    )


def _flat_answered(state: BookState, event: ev.FlatAnswered) -> None:
    del state.intents[event.check_id]


def _lifted(state: BookState, event: ev.StopLifted) -> None:
    if event.account_id is None:
        state.risk.master_stop = None
        return
    del state.risk.stops[event.account_id]
    at = state.index[event.account_id]
    if state.members.status[at] == BLOCKED:
        state.members.status[at] = ACTIVE


def _closed_by_server(state: BookState, event: ev.TicketClosedByServer) -> None:
    block = state.blocks[event.block_id]
    ordinal = event.ticket_id - block.first_ticket_id
    place = vec([int(block.members[ordinal])])
    block.open_steps[ordinal] -= event.steps
    rebase(state, block)
    expose(state, block, place, vec([-event.steps]), block.open_points)
    state.members.balance_minor[place] += event.pnl_minor


HANDLERS: Handlers = {
    ev.ProtectionSet: _protection_set,
    ev.ReferencesStarted: _references_started,
    ev.MasterReferenceStarted: _master_started,
    ev.MasterFlowed: _master_flowed,
    ev.PeaksSeen: _peaks_seen,
    ev.DayStarted: _day_started,
    ev.StopTriggered: _triggered,
    ev.SharesWithdrawn: _withdrawn,
    ev.StopsAdvanced: _advanced,
    ev.FlatAsked: _flat_asked,
    ev.FlatAnswered: _flat_answered,
    ev.StopLifted: _lifted,
    ev.TicketClosedByServer: _closed_by_server,
}
