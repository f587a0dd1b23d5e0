"""The sub-accounts of a book, as vectors."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from apps.core.allocation import Carry
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import Side

ACTIVE, DETACHING, DETACHED, PAUSED, CLOSE_ONLY, BLOCKED, WAITING, LEAVING = range(8)
"""WAITING joins when the book is flat; LEAVING only closes, and is detached when it is flat."""
GOING = (DETACHING, LEAVING)
"""On their way out: detached as soon as nothing of theirs is open."""
OUT = (DETACHED, DETACHING, WAITING, LEAVING)
"""No participants of new orders."""
STATUS_OF = {"active": ACTIVE, "paused": PAUSED, "close_only": CLOSE_ONLY}


class Group(NamedTuple):
    """Members that share currency and leverage; `places`: their indices."""

    currency: str
    leverage: int
    places: Vec


class Grouped(NamedTuple):
    """`order`: members one group after the other, those of one currency together."""

    order: Vec
    groups: list[tuple[Group, slice]]
    currencies: list[tuple[str, slice]]

    @classmethod
    def of(cls, groups: list[Group]) -> Grouped:
        slices: list[tuple[Group, slice]] = []
        currencies: dict[str, slice] = {}
        at = 0
        for group in groups:
            end = at + group.places.size
            slices.append((group, slice(at, end)))
            first = currencies.get(group.currency, slice(at, at)).start
            currencies[group.currency] = slice(first, end)
            at = end
        order = np.concatenate([group.places for group in groups]) if groups else vec()
        return cls(order, slices, list(currencies.items()))

    def in_place(self, ordered: Vec) -> Vec:
        """A vector in `order`, back in the members' own."""
        result = np.empty_like(ordered)
        result[self.order] = ordered
        return result


class Members(msgspec.Struct):
    """The sub-accounts, int64[n] each; `currency` indexes `BookState.currencies`."""

    account_ids: Vec = msgspec.field(default_factory=vec)
    logins: Vec = msgspec.field(default_factory=vec)
    currency: Vec = msgspec.field(default_factory=vec)
    leverage: Vec = msgspec.field(default_factory=vec)
    balance_minor: Vec = msgspec.field(default_factory=vec)
    status: Vec = msgspec.field(default_factory=vec)

    @property
    def size(self) -> int:
        return int(self.account_ids.size)


class OwnTicket(msgspec.Struct, kw_only=True):
    """A position in the account's own care: it counts in the account's exposure, in no block."""

    account_id: int
    symbol: str
    side: Side
    steps: int
    open_points: int
    since_seq: int = 0
    """The server's events up to here are in these figures."""


class Exposure(msgspec.Struct):
    """Open volume per member in one symbol: steps, and Σ steps · open points, per side."""

    long_steps: Vec
    long_cost: Vec
    short_steps: Vec
    short_cost: Vec

    @classmethod
    def zero(cls, size: int) -> Exposure:
        return cls(*(np.zeros(size, dtype=np.int64) for _ in range(4)))


class CarryState(msgspec.Struct):
    """Carry of one symbol, aligned with the members (apps.core.allocation.Carry)."""

    numerators: Vec
    denominator: int = 1

    def as_carry(self) -> Carry:
        return Carry(self.numerators, self.denominator)
