"""What is to be sent to a trading server: durable before it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from apps.core.book.codec import Vec, vec
from apps.core.book.commands import BalanceKind, Side


class SubmitIntent(msgspec.Struct, frozen=True, kw_only=True, tag="submit"):
    """Send one master order. `order_id` is its command id at the server.

    An opening order that nobody has seen long after `decided_at_ms` is not sent any more.
    """

    order_id: UUID
    symbol: str
    side: Side
    steps: int
    kind: Literal["market", "limit"]
    price_points: int | None
    closing: bool
    decided_at_ms: int


class CancelIntent(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    cancel_id: UUID
    order_id: UUID


class BookingIntent(msgspec.Struct, frozen=True, kw_only=True, tag="booking"):
    """Have the server book a fill on the sub-accounts; `pnl_minor` is ours, to compare.

    Without deals: tickets of both sides closed against each other, converted at `rates`.
    """

    booking_id: UUID
    closing: bool
    symbol: str
    deal_ids: list[str]
    price_points: int
    account_ids: Vec
    logins: Vec
    ticket_ids: Vec
    steps: Vec
    pnl_minor: Vec
    rates: dict[str, Decimal] = {}


class BalanceIntent(msgspec.Struct, frozen=True, kw_only=True, tag="balance"):
    """`amount_minor` is signed."""

    operation_id: UUID
    account_id: int
    login: int
    kind: BalanceKind
    amount_minor: int
    currency_digits: int
    comment: str
    server_id: int = 0


class FlatIntent(msgspec.Struct, frozen=True, kw_only=True, tag="flat"):
    """Ask the servers which of these accounts (aligned with their logins) hold tickets of this
    book. `server_ids`: where each lives (none: all at home, 0). `is_master`: for the book's own
    stop, so they are all of its accounts. `kept_tickets`: ids of tickets that left their blocks
    and are their owners' now."""

    check_id: UUID
    book_no: int
    account_ids: Vec
    logins: Vec
    is_master: bool = False
    kept_tickets: Vec = msgspec.field(default_factory=vec)
    server_ids: Vec = msgspec.field(default_factory=vec)


class LegIntent(msgspec.Struct, frozen=True, kw_only=True, tag="leg"):
    """Send one account's own order. `order_id`, from (block, ticket, attempt) or (close, ticket),
    is its command id at the server.

    symbol: a key of BookState.symbols; own_steps of it; steps: what it is of the block's volume.
    close_id, position_id: set when it closes. server_id 0: the master's own server.
    """

    order_id: UUID
    block_id: UUID
    ordinal: int
    server_id: int
    login: int
    symbol: str
    side: Side
    steps: int
    own_steps: int
    decided_at_ms: int
    reference_points: int
    close_id: UUID | None = None
    position_id: int | None = None


Intent = SubmitIntent | CancelIntent | BookingIntent | BalanceIntent | FlatIntent | LegIntent
