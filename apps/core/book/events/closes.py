"""Closing orders."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec

from apps.core.book.codec import Vec, vec
from apps.core.book.events.base import BookEvent


class CloseRequested(BookEvent, frozen=True, kw_only=True, tag="close_requested"):
    """Steps reserved for closing, per ticket, before the closing order is sent.

    reason: empty when people asked for it, else stop_loss, take_profit …
    own_steps: of a block with legs, per row, in the leg's own steps (0: of the master order).
    reference_points: what slippage of legs is measured against.
    """

    close_id: UUID
    block_id: UUID
    ticket_ids: Vec
    account_ids: Vec
    steps: Vec
    order_steps: int
    detaches: bool
    decided_at_ms: int
    reason: str = ""
    own_steps: Vec = msgspec.field(default_factory=vec)
    reference_points: int = 0


class CloseEnded(BookEvent, frozen=True, kw_only=True, tag="close_ended"):
    """The closing order ended without a fill: the reservation is lifted."""

    close_id: UUID
    block_id: UUID
    code: str
    raw: str = ""


class CloseFilled(BookEvent, frozen=True, kw_only=True, tag="close_filled"):
    """Tickets were closed in part or whole at one price; P&L at the rates of the last fill.

    rates: the symbol's quote currency → account currency.
    """

    close_id: UUID
    block_id: UUID
    deal_ids: list[str]
    price_points: int
    filled_steps: int
    house_points_steps: int
    ticket_ids: Vec
    account_ids: Vec
    steps: Vec
    pnl_minor: Vec
    rates: dict[str, Decimal]
    booking_id: UUID
    at_ms: int
