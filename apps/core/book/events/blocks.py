"""The life of a block up to its last close."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec

from apps.core.allocation import Rule
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import OrderKind, Side
from apps.core.book.events.base import BookEvent


class BlockPlaced(BookEvent, frozen=True, kw_only=True, tag="block_placed"):
    """Asked for, with its participants. A market block is allocated in the same record.

    manual_accounts, manual_steps: lots set by hand for this order alone. limit_points: of a
    stop-limit, whose price_points are the stop. origin: empty, "outside" for a trade that appeared
    on the master, "late" for a fill after its order's end, "reverse". `reverses`: the block that
    has to be closed first.
    """

    block_id: UUID
    symbol: str
    side: Side
    kind: OrderKind
    price_points: int | None
    requested_steps: int
    rule: Rule
    participants: Vec
    placed_at_ms: int
    digits: int
    volume_step: Decimal
    manual_accounts: Vec = msgspec.field(default_factory=vec)
    manual_steps: Vec = msgspec.field(default_factory=vec)
    sl_points: int | None = None
    tp_points: int | None = None
    expires_at_ms: int | None = None
    origin: str = ""
    limit_points: int | None = None
    trailing_points: int | None = None
    trailing_step_points: int | None = None
    reverses: UUID | None = None


class BlockAmended(BookEvent, frozen=True, kw_only=True, tag="block_amended"):
    """What the block asks for from here on, changed or not."""

    block_id: UUID
    price_points: int | None
    requested_steps: int
    sl_points: int | None
    tp_points: int | None
    limit_points: int | None = None
    trailing_points: int | None = None
    trailing_step_points: int | None = None


class StopTrailed(BookEvent, frozen=True, kw_only=True, tag="stop_trailed"):
    """The stop loss of an open block has followed the price; it only ever becomes tighter."""

    block_id: UUID
    sl_points: int


class BlockAllocated(BookEvent, frozen=True, kw_only=True, tag="block_allocated"):
    """The proof: who gets what, from which inputs, before the order is sent.

    equity_minor: own currency; weights: what the shares are weighed by, minor units of the book's
    currency. reasons: apps.core.allocation.Reason. rates: account currency → book currency.
    carry: after this block, over `carry_denominator` (empty: this rule keeps none).
    cap_reasons: which limit `cap_steps` is (empty: margin or the server's largest order).
    parameters: what the method read of each link: percent or ratio in 10^-6, or preset steps.
    unit_costs: minor units of the book's currency per step, over `unit_cost_scale`.
    Tickets go to the accounts with steps > 0 in this order, `first_ticket_id` + 0, 1, 2 …
    """

    block_id: UUID
    bid_points: int
    ask_points: int
    quote_at_ms: int
    account_ids: Vec
    equity_minor: Vec
    weights: Vec
    rates: dict[str, Decimal]
    cap_steps: Vec
    steps: Vec
    reasons: Vec
    quotas_e8: Vec
    carry: Vec
    carry_denominator: int
    order_steps: int
    residual_steps: int
    first_ticket_id: int
    decided_at_ms: int
    cap_reasons: Vec = msgspec.field(default_factory=vec)
    parameters: Vec = msgspec.field(default_factory=vec)
    unit_costs: Vec = msgspec.field(default_factory=vec)
    unit_cost_scale: int = 1
    master_money_minor: int | None = None


class CancelRequested(BookEvent, frozen=True, kw_only=True, tag="cancel_requested"):
    """Its order is at the server: the server is asked to cancel what is not filled."""

    block_id: UUID
    cancel_id: UUID


class CancelSettled(BookEvent, frozen=True, kw_only=True, tag="cancel_settled"):
    """The server answered the request; the order's own end is told by its events."""

    cancel_id: UUID
    done: bool
    code: str


class BlockCancelled(BookEvent, frozen=True, kw_only=True, tag="block_cancelled"):
    """It ended without a fill: withdrawn while pending, or its order ended unfilled."""

    block_id: UUID
    code: str
    raw: str = ""


class BlockRejected(BookEvent, frozen=True, kw_only=True, tag="block_rejected"):
    """Refused after it was accepted here: by the server, or at its trigger by a rule."""

    block_id: UUID
    code: str
    raw: str = ""


class OrderPartlyFilled(BookEvent, frozen=True, kw_only=True, tag="order_partly_filled"):
    """More fills of this order are to come; shares are given when it is complete."""

    order_id: UUID
    deal_id: str
    steps: int
    price_points: int


class BlockFilled(BookEvent, frozen=True, kw_only=True, tag="block_filled"):
    """The order is complete: every ticket opens at the one price (VWAP, rounded once).

    steps: of every ticket of the block, in ticket order. house_points_steps: Σ qp − price · Σ q,
    what rounding the price costs, for the house account. `booking_id` is the intent to have the
    server book the tickets.
    """

    block_id: UUID
    deal_ids: list[str]
    price_points: int
    filled_steps: int
    house_points_steps: int
    first_ticket_id: int
    account_ids: Vec
    steps: Vec
    booking_id: UUID
    at_ms: int


class BlockClosed(BookEvent, frozen=True, kw_only=True, tag="block_closed"):
    """Nothing of it is open any more."""

    block_id: UUID
    at_ms: int
