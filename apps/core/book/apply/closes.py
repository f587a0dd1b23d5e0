"""Closing orders."""

from __future__ import annotations

import numpy as np

from apps.core.book import events as ev
from apps.core.book.apply.mirror import close_legs
from apps.core.book.apply.shared import Handlers, expose, intend_booking, rebase
from apps.core.book.state import (
    BookState,
    Close,
    SubmitIntent,
)


def _close_requested(state: BookState, event: ev.CloseRequested) -> None:
    block = state.blocks[event.block_id]
    ordinals = event.ticket_ids - block.first_ticket_id
    block.closing_steps[ordinals] += event.steps
    block.given_steps[ordinals] += event.steps
    if event.detaches:
        rebase(state, block)
    booked = ~close_legs(state, block, event)
    if not booked.any():
        return
    order_steps = int(event.steps[booked].sum())
    state.closes[event.close_id] = Close(
        close_id=event.close_id,
        block_id=event.block_id,
        ordinals=ordinals[booked],
        steps=event.steps[booked],
        order_steps=order_steps,
        detaches=event.detaches,
    )
    state.intents[event.close_id] = SubmitIntent(
        order_id=event.close_id,
        symbol=block.symbol,
        side="sell" if block.side == "buy" else "buy",
        steps=order_steps,
        kind="market",
        price_points=None,
        closing=True,
        decided_at_ms=event.decided_at_ms,
    )


def _close_ended(state: BookState, event: ev.CloseEnded) -> None:
    close = state.closes.pop(event.close_id)
    block = state.blocks[event.block_id]
    block.closing_steps[close.ordinals] -= close.steps
    rebase(state, block)
    state.end_order(event.close_id, closing=True)
    del state.intents[event.close_id]


def _close_filled(state: BookState, event: ev.CloseFilled) -> None:
    close = state.closes.pop(event.close_id)
    block = state.blocks[event.block_id]
    block.closing_steps[close.ordinals] -= close.steps
    block.open_steps[close.ordinals] -= event.steps
    if event.filled_steps != close.order_steps:
        rebase(state, block)
        state.end_order(event.close_id, closing=True)
    places = block.members[close.ordinals]
    expose(state, block, places, -event.steps, block.open_points)
    np.add.at(state.members.balance_minor, places, event.pnl_minor)
    del state.intents[event.close_id]
    intend_booking(state, block, event, places, event.ticket_ids)


HANDLERS: Handlers = {
    ev.CloseRequested: _close_requested,
    ev.CloseEnded: _close_ended,
    ev.CloseFilled: _close_filled,
}
