"""Which reports are worth deciding now: what has passed again is dropped, what comes before its
turn waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from uuid import UUID

from apps.core.book.commands import (
    AdvanceStops,
    AnyStimulus,
    ExpireBlock,
    FillReported,
    OwnTicketClosed,
    QuoteIn,
    ServerClosed,
    StopBlock,
    TrailStop,
    TriggerBlock,
)
from apps.core.book.risk.reporting import is_being_closed
from apps.core.book.state import BookState, LegIntent
from apps.engine.due import Due, due
from apps.engine.guard import is_step_due
from apps.engine.session import now_ms


def is_timely(
    state: BookState | None,
    stimulus: AnyStimulus,
    quotes: Mapping[str, QuoteIn],
    tell_later: Callable[[AnyStimulus], None],
) -> bool:
    """A trigger whose price has gone again is dropped, without a record. A fill that comes
    before an earlier one of its order (still being told again) waits for that: `tell_later`."""
    match stimulus:
        case TriggerBlock() | StopBlock() | TrailStop() | ExpireBlock():
            return _still_due(state, stimulus.block_id, quotes) is type(stimulus)
        case AdvanceStops():
            return state is not None and is_step_due(state, now_ms())
        case ServerClosed() if state and stimulus.ticket_id in state.own_tickets:
            return False  # its owner's: told as such too
        case ServerClosed() if state and is_being_closed(state, stimulus):
            tell_later(stimulus)
            return False
        case OwnTicketClosed():
            return state is not None and stimulus.ticket_id in state.own_tickets
        case FillReported() if _has_hole_before(state, stimulus):
            tell_later(stimulus)
            return False
        case _:
            return True


def _still_due(
    state: BookState | None, block_id: UUID, quotes: Mapping[str, QuoteIn]
) -> Due | None:
    block = state.blocks.get(block_id) if state is not None else None
    if state is None or block is None:
        return None
    return due(state, block, quotes.get(block.symbol), now_ms())


def _has_hole_before(state: BookState | None, fill: FillReported) -> bool:
    if state is None:
        return False
    if isinstance(state.intents.get(fill.order_id), LegIntent):
        known = state.mirror.fills.get(fill.order_id)
        return fill.cum_steps - fill.steps > (known.steps if known is not None else 0)
    order = state.closes.get(fill.order_id) or state.blocks.get(fill.order_id)
    return order is not None and fill.cum_steps - fill.steps > order.fills.steps
