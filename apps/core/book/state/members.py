"""The sub-accounts of a book, as vectors."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from apps.core.allocation import Carry
from apps.core.book.codec import Vec, vec

ACTIVE, DETACHING, DETACHED, PAUSED, CLOSE_ONLY = 0, 1, 2, 3, 4
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
