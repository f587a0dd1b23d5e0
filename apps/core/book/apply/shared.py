"""What several handlers do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np

from apps.core.book import events as ev
from apps.core.book.codec import Vec, vec
from apps.core.book.state import Block, BookingIntent, BookState

Handlers = dict[type[ev.Event], Callable[[BookState, Any], None]]


def rebase(block: Block) -> None:
    """Partial closes are shared by what is open and not being closed from here on."""
    block.base_steps = block.open_steps - block.closing_steps
    block.given_steps = np.zeros_like(block.base_steps)


def expose(state: BookState, block: Block, places: Vec, steps: Vec, points: int) -> None:
    exposure = state.exposure(block.symbol)
    side = "long" if block.side == "buy" else "short"
    np.add.at(getattr(exposure, f"{side}_steps"), places, steps)
    np.add.at(getattr(exposure, f"{side}_cost"), places, steps * points)


def intend_booking(
    state: BookState,
    block: Block,
    event: ev.BlockFilled | ev.CloseFilled,
    places: Vec,
    ticket_ids: Vec,
) -> None:
    some = np.flatnonzero(event.steps)
    closing = isinstance(event, ev.CloseFilled)
    booking = BookingIntent(
        booking_id=event.booking_id,
        closing=closing,
        symbol=block.symbol,
        deal_ids=event.deal_ids,
        price_points=event.price_points,
        account_ids=event.account_ids[some],
        logins=state.members.logins[places[some]],
        ticket_ids=ticket_ids[some],
        steps=event.steps[some],
        pnl_minor=event.pnl_minor[some] if isinstance(event, ev.CloseFilled) else vec(),
        rates=event.rates if isinstance(event, ev.CloseFilled) and not event.deal_ids else {},
    )
    before = state.intents.get(event.booking_id)
    state.intents[event.booking_id] = (
        _both(before, booking) if isinstance(before, BookingIntent) else booking
    )


def _both(first: BookingIntent, second: BookingIntent) -> BookingIntent:
    """Two sides that close each other are one booking: the server takes both or none."""
    return msgspec.structs.replace(
        second,
        **{
            name: np.concatenate((getattr(first, name), getattr(second, name)))
            for name in ("account_ids", "logins", "ticket_ids", "steps", "pnl_minor")
        },
    )
