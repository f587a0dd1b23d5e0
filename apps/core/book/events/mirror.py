"""Mirror mode: one order per account. Volumes in a leg's own steps and points where it says own."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec

from apps.core.book.codec import Vec, vec
from apps.core.book.commands.mirror import Execution, VenueInfo
from apps.core.book.events.base import BookEvent


class VenueDefined(BookEvent, frozen=True, kw_only=True, tag="venue_defined"):
    """A trading server's capabilities, names and specifications from here on."""

    venue: VenueInfo


class ExecutionSet(BookEvent, frozen=True, kw_only=True, tag="execution_set"):
    mode: Execution


class LegsPlanned(BookEvent, frozen=True, kw_only=True, tag="legs_planned"):
    """Which tickets of the block just allocated get an order of their own, and of how much.

    Vectors are aligned with `ordinals` (of the block's tickets, ascending). symbol_at: index in
    `symbols`, keys of BookState.symbols. own_steps: of that symbol; 0 where nothing can be sent.
    notes: state.mirror.Note, why own_steps are what they are. reference_points: what slippage is
    measured against until the master order fills, in the master's symbol. `waits`: the legs go
    when the master order is filled.
    """

    block_id: UUID
    ordinals: Vec
    account_ids: Vec
    server_ids: Vec
    symbols: list[str]
    symbol_at: Vec
    own_steps: Vec
    notes: Vec
    reference_points: int
    waits: bool


class LegsSent(BookEvent, frozen=True, kw_only=True, tag="legs_sent"):
    """The master order is filled: the legs follow, measured against its price."""

    block_id: UUID
    reference_points: int
    decided_at_ms: int


class LegsRetried(BookEvent, frozen=True, kw_only=True, tag="legs_retried"):
    """A person had failed legs sent again; `attempts` per leg, the first sending is 0."""

    block_id: UUID
    ordinals: Vec
    account_ids: Vec
    attempts: Vec
    decided_at_ms: int


class LegPartlyFilled(BookEvent, frozen=True, kw_only=True, tag="leg_partly_filled"):
    """More fills of this leg's order are to come. `profit_minor`: the server's, of a closing."""

    order_id: UUID
    deal_id: str
    own_steps: int
    price_points: int
    profit_minor: int | None = None


class LegFilled(BookEvent, frozen=True, kw_only=True, tag="leg_filled"):
    """One account's order is complete: its ticket opens at its own price.

    steps: of the master's symbol, own_steps: what was really filled. slippage_points: own points,
    positive is worse for the account. position_id: the server's.
    """

    order_id: UUID
    block_id: UUID
    ordinal: int
    ticket_id: int
    account_id: int
    deal_ids: list[str]
    symbol: str
    steps: int
    own_steps: int
    price_points: int
    slippage_points: int
    position_id: int
    at_ms: int
    digits: int
    volume_step: Decimal


class LegClosed(BookEvent, frozen=True, kw_only=True, tag="leg_closed"):
    """One account's ticket was closed in part or whole by an order of its own.

    pnl_minor is what its server posted where it says so, else ours; difference_minor: the
    server's less ours. rates as in CloseFilled.
    """

    order_id: UUID
    close_id: UUID
    block_id: UUID
    ordinal: int
    ticket_id: int
    account_id: int
    deal_ids: list[str]
    symbol: str
    steps: int
    own_steps: int
    price_points: int
    slippage_points: int
    pnl_minor: int
    difference_minor: int
    rates: dict[str, Decimal]
    at_ms: int
    digits: int


class LegFailed(BookEvent, frozen=True, kw_only=True, tag="leg_failed"):
    """The server refused (or ended) this order for good. close_id: of a closing, else None."""

    order_id: UUID
    block_id: UUID
    ordinal: int
    ticket_id: int
    account_id: int
    close_id: UUID | None
    code: str
    raw: str = ""


class LegsSettled(BookEvent, frozen=True, kw_only=True, tag="legs_settled"):
    """No opening leg of the block is on its way any more. price_points: volume-weighted over all
    its tickets, in the master's digits, for show: every ticket has its own."""

    block_id: UUID
    filled: int
    failed: int
    failed_tickets: Vec = msgspec.field(default_factory=vec)
    price_points: int = 0
