"""Legs: tickets that are opened and closed by an order of their own, on any trading server."""

from __future__ import annotations

from enum import IntEnum
from uuid import UUID

import msgspec
import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.commands.mirror import Execution, VenueInfo
from apps.core.ints import BoolArray

HOME = 0
"""The master's own server."""


class Leg(IntEnum):
    """Where a ticket stands. BOOKED: no leg, it has its share of the master order."""

    BOOKED = 0
    WAITING = 1  # for the master order to fill
    SENT = 2
    FILLED = 3
    FAILED = 4


class Note(IntEnum):
    """Why a leg has the volume it has. Numbers are recorded: never renumber."""

    EXACT = 0
    LOTS_ROUNDED = 1
    LEG_BELOW_MIN = 2
    LEG_ABOVE_MAX = 3
    SYMBOL_NOT_MAPPED = 4


class LegFills(msgspec.Struct):
    """What a leg's order was filled so far."""

    deal_ids: list[str] = []
    steps: int = 0
    point_steps: int = 0
    profit_minor: int | None = 0
    """What the server posted; None when it does not say."""

    def plus(self, deal_id: str, steps: int, points: int, profit_minor: int | None) -> LegFills:
        """With one more fill."""
        profit = self.profit_minor
        return LegFills(
            [*self.deal_ids, deal_id],
            self.steps + steps,
            self.point_steps + steps * points,
            None if profit is None or profit_minor is None else profit + profit_minor,
        )


class Legs(msgspec.Struct, kw_only=True):
    """Of a block, vectors in ticket order. Own: of the leg's own symbol."""

    reference_points: int
    symbols: list[str]
    server_ids: Vec
    status: Vec
    symbol_at: Vec
    own_steps: Vec
    own_open: Vec = msgspec.field(default_factory=vec)
    own_closing: Vec = msgspec.field(default_factory=vec)
    open_points: Vec = msgspec.field(default_factory=vec)
    position_ids: Vec = msgspec.field(default_factory=vec)
    attempts: Vec = msgspec.field(default_factory=vec)
    codes: dict[int, str] = {}
    """Ordinal → why it failed."""
    pending: int = 0
    """How many wait or are on their way."""
    decided_at_ms: int = 0

    def symbol(self, ordinal: int) -> str:
        return self.symbols[int(self.symbol_at[ordinal])]

    @property
    def is_leg(self) -> BoolArray:
        """bool per ticket."""
        mask: BoolArray = self.status != Leg.BOOKED
        return mask

    @property
    def on_way(self) -> BoolArray:
        """bool per ticket: waits or is sent, and may still open."""
        mask: BoolArray = (self.status == Leg.WAITING) | (self.status == Leg.SENT)
        return mask

    def awaited(self, chosen: BoolArray) -> bool:
        """Whether any of the tickets chosen (bool each) may still open."""
        return bool(np.any(self.on_way & chosen))


class Mirror(msgspec.Struct):
    """A book's servers and modes. server_of: accounts that are not on the master's server."""

    mode: Execution = "auto"
    venues: dict[int, VenueInfo] = {}
    server_of: dict[int, int] = {}
    cursors: dict[int, int] = {}
    """Server id → its last event that moved this book (the master's own: BookState.server_seq)."""
    fills: dict[UUID, LegFills] = {}

    def join(self, account_id: int, server_id: int) -> None:
        """Note where an account lives, which may have changed since it left."""
        self.server_of.pop(account_id, None)
        if server_id != HOME:
            self.server_of[account_id] = server_id

    @property
    def mirrors_home(self) -> bool:
        """Whether accounts on the master's own server get orders of their own."""
        home = self.venues.get(HOME)
        if self.mode == "auto":
            return home is not None and not home.allocates
        return self.mode == "mirror"
