"""Blocks and their closes."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec
import numpy as np

from apps.core.allocation import Rule
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import OrderKind, Side, order_limit
from apps.core.book.state.mirror import Legs
from apps.core.errors import StateError

BlockStatus = Literal["pending", "sent", "open", "closed", "cancelled", "rejected"]
TRANSITIONS: dict[tuple[BlockStatus, str], BlockStatus] = {
    ("pending", "allocated"): "sent",
    ("pending", "cancelled"): "cancelled",
    ("pending", "rejected"): "rejected",
    ("sent", "filled"): "open",
    ("sent", "cancelled"): "cancelled",
    ("sent", "rejected"): "rejected",
    ("open", "closed"): "closed",
}


def next_status(status: BlockStatus, event: str) -> BlockStatus:
    """The table above. Raises StateError for a pair it does not have."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise StateError(
            "block_state", f"A {status} block cannot be {event}.", status=status, event=event
        ) from None


class Fills(msgspec.Struct):
    """What an order was filled so far."""

    deal_ids: list[str] = []
    steps: int = 0
    point_steps: int = 0


class Block(msgspec.Struct, kw_only=True):
    """An open or pending block. Ticket vectors are in ticket order."""

    block_id: UUID
    symbol: str
    side: Side
    kind: OrderKind
    price_points: int | None
    requested_steps: int
    rule: Rule
    participants: Vec
    manual_accounts: Vec = msgspec.field(default_factory=vec)
    manual_steps: Vec = msgspec.field(default_factory=vec)
    sl_points: int | None = None
    tp_points: int | None = None
    expires_at_ms: int | None = None
    parent_id: UUID | None = None
    """A companion's: the block that it is closed with, in the same part."""
    parent_given_steps: int = 0
    """Of the parent's `given_steps`, what was given before this companion followed."""
    limit_points: int | None = None
    trailing_points: int | None = None
    trailing_step_points: int | None = None
    reverses: UUID | None = None
    status: BlockStatus = "pending"
    order_steps: int = 0
    open_points: int = 0
    first_ticket_id: int = 0
    members: Vec = msgspec.field(default_factory=vec)
    """Index of each ticket's member."""
    target_steps: Vec = msgspec.field(default_factory=vec)
    open_steps: Vec = msgspec.field(default_factory=vec)
    closing_steps: Vec = msgspec.field(default_factory=vec)
    base_steps: Vec = msgspec.field(default_factory=vec)
    """What partial closes are shared by: the steps at the last re-basing."""
    given_steps: Vec = msgspec.field(default_factory=vec)
    """Of these, closed or being closed."""
    fills: Fills = msgspec.field(default_factory=Fills)
    deal_ids: list[str] = []
    """The deals that opened it."""
    legs: Legs | None = None
    """Set when some of its tickets are opened by orders of their own."""

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def booked_targets(self) -> Vec:
        """What each ticket is to get of the master order: nothing of it goes to legs."""
        if self.legs is None:
            return self.target_steps
        return np.where(self.legs.is_leg, 0, self.target_steps)

    @property
    def awaits_legs(self) -> bool:
        """Whether tickets may still open by orders of their own."""
        return self.legs is not None and self.legs.pending > 0

    @property
    def order_limit_points(self) -> int | None:
        """What its order is limited to at the server; None: it is sent at the market."""
        return order_limit(self.kind, self.price_points, self.limit_points)

    @property
    def ticket_ids(self) -> Vec:
        return self.first_ticket_id + np.arange(self.members.size, dtype=np.int64)


class Close(msgspec.Struct, kw_only=True):
    """A closing order on its way. `ordinals` index the block's tickets."""

    close_id: UUID
    block_id: UUID
    ordinals: Vec
    steps: Vec
    order_steps: int
    detaches: bool
    fills: Fills = msgspec.field(default_factory=Fills)
