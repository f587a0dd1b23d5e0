"""A stop's life: cancel what waits, close, verify at the server, blocked. Pure, one step a record.

The steps are one table (state/risk.py, STOP_STEPS). `advance` takes each stop one step further;
every step is a journal record, so a stop goes on after a crash from where it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID, uuid5

import numpy as np

from apps.core.book.closing import close_request
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import AdvanceStops, FlatReported
from apps.core.book.events import (
    CloseRequested,
    Event,
    FlatAnswered,
    FlatAsked,
    SharesWithdrawn,
    StopsAdvanced,
)
from apps.core.book.market import Market
from apps.core.book.marking import value_per_point_step
from apps.core.book.placing import Decided, can_be_withdrawn, is_being_cancelled, withdraw
from apps.core.book.risk.settings import StopPhase
from apps.core.book.state import (
    Block,
    BookingIntent,
    BookState,
    FlatIntent,
    Stop,
    next_phase,
)
from apps.core.errors import ConflictError

RETRY_MS = 1_000
MOST_RETRY_MS = 30_000
MASTER = 0
"""The master's place among account ids."""


class Step(NamedTuple):
    """What one stop does now: an event of STOP_STEPS."""

    account_id: int
    stop: Stop
    what: str


def advance(state: BookState, report: AdvanceStops, market: Market) -> Decided:
    """One step of every stop that can take one. Raises ConflictError `no_stop_due`."""
    steps = list(due_steps(state, market.now_ms))
    if not steps:
        raise ConflictError("no_stop_due", "No stop waits for its next step.")
    by_what: dict[tuple[str, int], list[Step]] = {}
    for step in steps:
        key = step.what, step.stop.attempts if step.what == "close_again" else 0
        by_what.setdefault(key, []).append(step)
    events: list[Event] = []
    for (what, _), group in sorted(by_what.items()):
        events += _step(state, report.command_id, what, group, market)
    acting = [step for step in steps if step.what != "ask"]
    ids = vec([step.account_id for step in acting])
    events += _withdrawals(state, report.command_id, ids)
    closing = [step for step in acting if step.what != "cancel"]
    events += _close(state, report.command_id, closing, market)
    return events, {"steps": len(steps)}


def due_steps(state: BookState, now_ms: int) -> Iterator[Step]:
    """What each stop that is not blocked would do now; nothing for one that waits."""
    risk = state.risk
    if risk.master_stop is not None and risk.master_stop.phase != "blocked":
        what = _what(risk.master_stop, now_ms, is_flat=not state.blocks, is_settled=_settled(state))
        if what:
            yield Step(MASTER, risk.master_stop, what)
    waiting = {a: s for a, s in risk.stops.items() if s.phase not in ("blocked", "verifying")}
    if not waiting:
        return
    busy, unsettled = _busy(state), _unsettled(state)
    for account_id, stop in waiting.items():
        what = _what(
            stop,
            now_ms,
            is_flat=account_id not in busy,
            is_settled=account_id not in unsettled,
        )
        if what:
            yield Step(account_id, stop, what)


def _what(stop: Stop, now_ms: int, *, is_flat: bool, is_settled: bool) -> str:
    match stop.phase:
        case "close_only":
            return "cancel"
        case "cancelling":
            return "close"
        case "closing" if is_flat and is_settled:
            return "ask" if now_ms >= stop.not_before_ms or stop.attempts <= 1 else ""
        case "closing" if not is_flat and now_ms >= stop.not_before_ms:
            return "close_again"
        case _:
            return ""


def _busy(state: BookState) -> set[int]:
    """Accounts with something open, or an order on its way that opens something."""
    found: set[int] = set()
    for block in state.blocks.values():
        steps = block.booked_targets if block.status == "sent" else block.open_steps
        if block.legs is not None:
            steps = steps + block.legs.on_way
        if block.status in ("sent", "open"):
            places = block.members[steps > 0]
            found.update(state.members.account_ids[places].tolist())
    return found


def _unsettled(state: BookState) -> set[int]:
    """Accounts for which the server has yet to book a trade."""
    found: set[int] = set()
    for intent in state.intents.values():
        if isinstance(intent, BookingIntent):
            found.update(intent.account_ids.tolist())
    return found


def _settled(state: BookState) -> bool:
    return not any(isinstance(intent, BookingIntent) for intent in state.intents.values())


def _step(
    state: BookState, command_id: UUID, what: str, group: list[Step], market: Market
) -> list[Event]:
    """The events of one kind of step for the stops that take it, without orders."""
    ids = vec([step.account_id for step in group])
    phase = next_phase(group[0].stop.phase, what)
    attempts = max(step.stop.attempts for step in group) + (what in ("close", "close_again"))
    events: list[Event] = [
        StopsAdvanced(
            phase=phase,
            account_ids=ids[ids != MASTER],
            is_master=bool((ids == MASTER).any()),
            attempts=attempts,
            not_before_ms=market.now_ms + retry_ms(attempts),
            at_ms=market.now_ms,
        )
    ]
    if what == "ask":
        check_id = uuid5(command_id, f"flat:{what}:{attempts}")
        events.append(FlatAsked(check_id=check_id, account_ids=ids))
    return events


def retry_ms(attempts: int) -> int:
    """Doubling from RETRY_MS to MOST_RETRY_MS."""
    return min(RETRY_MS << min(max(attempts - 1, 0), 10), MOST_RETRY_MS)


def _withdrawals(state: BookState, command_id: UUID, ids: Vec) -> Iterator[Event]:
    """The master's stop cancels what waits; an account's takes its own share out of it."""
    is_master = bool((ids == MASTER).any())
    for block in state.blocks.values():
        if is_master and can_be_withdrawn(state, block):
            if not is_being_cancelled(state, block):
                cancel_id = uuid5(command_id, f"cancel:{block.block_id}")
                yield withdraw(block, cancel_id, "hard_stop")
        elif block.status == "pending":
            mine = block.participants[np.isin(block.participants, ids)]
            if mine.size:
                yield SharesWithdrawn(block_id=block.block_id, account_ids=mine)


def _close(state: BookState, command_id: UUID, steps: list[Step], market: Market) -> list[Event]:
    """Closing orders, one per block and stop's kind, the largest loss first."""
    ids = vec([step.account_id for step in steps])
    is_master = bool((ids == MASTER).any())
    places = state.places(ids[ids != MASTER]) if (ids != MASTER).any() else vec()
    reason = steps[0].stop.reason if steps else ""
    requests: list[tuple[int, CloseRequested]] = []
    for block in state.blocks.values():
        if block.status != "open":
            continue
        free = block.open_steps - block.closing_steps
        mine = free if is_master else np.where(np.isin(block.members, places), free, 0)
        if not mine.any():
            continue
        request = close_request(
            state,
            block,
            uuid5(command_id, f"close:{block.block_id}"),
            mine,
            market.now_ms,
            detaches=not is_master,
            reason=f"stop:{reason}",
        )
        requests.append((_gain(state, market, block, int(mine.sum())), request))
    requests.sort(key=lambda pair: pair[0])
    return [request for _, request in requests]


def _gain(state: BookState, market: Market, block: Block, steps: int) -> int:
    """Floating P&L of `steps`, in the book's minor units, rounded down; 0 where unpriced.

    Only an order to close in: legs count at the block's price, not at their own."""
    quote = market.last(block.symbol)
    value = value_per_point_step(state, market, state.symbols[block.symbol], state.currency)
    if quote is None or value is None:
        return 0
    here = quote.bid if block.side == "buy" else quote.ask
    return int((here - block.open_points) * block.sign * steps * value // 1)


def flat_reported(state: BookState, report: FlatReported, market: Market) -> Decided:
    """The server's word: blocked, or closing again. Raises ConflictError `not_pending`."""
    intent = state.intents.get(report.check_id)
    if not isinstance(intent, FlatIntent):
        raise ConflictError("not_pending", "This check is answered already.")
    events: list[Event] = [
        FlatAnswered(check_id=report.check_id, open_account_ids=report.open_account_ids)
    ]
    held = set(report.open_account_ids.tolist()) | _busy(state)
    asked = intent.account_ids.tolist()
    if intent.is_master:
        asked.append(MASTER)
        if held or state.blocks:
            held.add(MASTER)
    risk = state.risk
    groups: dict[str, list[int]] = {"flat": [], "still_open": []}
    attempts = 0
    for account_id in asked:
        stop = risk.master_stop if account_id == MASTER else risk.stops.get(account_id)
        if stop is None or stop.phase != "verifying":
            continue
        groups["still_open" if account_id in held else "flat"].append(account_id)
        attempts = max(attempts, stop.attempts)
    for what, found in groups.items():
        if not found:
            continue
        ids = vec(found)
        phase: StopPhase = next_phase("verifying", what)
        again = attempts + (what == "still_open")
        events.append(
            StopsAdvanced(
                phase=phase,
                account_ids=ids[ids != MASTER],
                is_master=bool((ids == MASTER).any()),
                attempts=again,
                not_before_ms=market.now_ms + retry_ms(again),
                at_ms=market.now_ms,
            )
        )
    return events, {"blocked": len(groups["flat"]), "still_open": len(groups["still_open"])}
