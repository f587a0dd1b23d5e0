"""Positions from deals: netting and hedging books, average price of fills, the house difference.

Average prices are exact (Fraction) inside and rounded only when booked (math.md §1 Price, §2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from apps.core.errors import InputError
from apps.core.money import ZERO, Exact, exact, round_money

BUY, SELL = 1, -1


def vwap(fills: Iterable[tuple[Exact, Exact]]) -> Fraction:
    """Σ quantity·price / Σ quantity of (quantity > 0, price) fills, exact."""
    quantity, amount = ZERO, ZERO
    for fill_quantity, price in fills:
        if fill_quantity <= 0:
            raise InputError("bad_fill", "a fill has a positive quantity", value=str(fill_quantity))
        quantity += exact(fill_quantity)
        amount += exact(fill_quantity) * exact(price)
    if not quantity:
        raise InputError("no_fills", "there is no average price without a fill")
    return amount / quantity


class BookedPrice(NamedTuple):
    """The one price of a block, and what rounding it costs (the house's gain, quote currency)."""

    exact_price: Fraction
    price: Decimal
    house_difference: Fraction


def book_price(
    fills: Sequence[tuple[Exact, Exact]], side: int, digits: int, contract_size: Exact
) -> BookedPrice:
    """Round the VWAP once to the symbol's digits; the house account takes the difference.

    fills in lots; side +1 buy, −1 sell; house_difference = (booked − exact)·side·lots·contract,
    positive when the clients pay it.
    """
    average = vwap(fills)
    booked = round_money(average, digits)
    lots = sum((exact(quantity) for quantity, _ in fills), ZERO)
    difference = (exact(booked) - average) * side * lots * exact(contract_size)
    return BookedPrice(average, booked, difference)


@dataclass(frozen=True, slots=True)
class NetPosition:
    """A netting account's position in one symbol: signed lots, average price, realised so far.

    realised is exact, in quote currency per unit of contract: multiply by contract and rate.
    """

    lots: Fraction = ZERO
    price: Fraction = ZERO
    realised: Fraction = ZERO

    def after(self, side: int, lots: Exact, price: Exact) -> NetPosition:
        """Average on increase, unchanged on reduction; a reversal opens at the deal's price."""
        volume, deal_price = exact(lots) * _side(side), exact(price)
        if volume == 0:
            raise InputError("bad_deal", "a deal has a positive volume")
        total = self.lots + volume
        if self.lots * volume >= 0:
            average = (self.lots * self.price + volume * deal_price) / total
            return NetPosition(total, average, self.realised)
        closed = min(abs(self.lots), abs(volume)) * (1 if self.lots > 0 else -1)
        realised = self.realised + closed * (deal_price - self.price)
        if total == 0:
            return NetPosition(ZERO, ZERO, realised)
        reversed_ = total * self.lots < 0
        return NetPosition(total, deal_price if reversed_ else self.price, realised)

    def floating(self, price: Exact) -> Fraction:
        """Open result at `price`, per unit of contract, quote currency."""
        return self.lots * (exact(price) - self.price)


class Leg(NamedTuple):
    """One position of a hedging account."""

    side: int
    lots: Fraction
    price: Fraction

    def result(self, price: Exact, lots: Exact | None = None) -> Fraction:
        """(price − open)·side·lots, per unit of contract, quote currency."""
        volume = self.lots if lots is None else exact(lots)
        return (exact(price) - self.price) * self.side * volume


@dataclass(frozen=True, slots=True)
class HedgedBook:
    """A hedging account: every deal opens a position of its own, until closed by number."""

    legs: tuple[Leg, ...] = ()
    realised: Fraction = ZERO

    def opened(self, side: int, lots: Exact, price: Exact) -> HedgedBook:
        if exact(lots) <= 0:
            raise InputError("bad_deal", "a deal has a positive volume")
        leg = Leg(_side(side), exact(lots), exact(price))
        return HedgedBook((*self.legs, leg), self.realised)

    def closed(self, number: int, lots: Exact, price: Exact) -> HedgedBook:
        """Close `lots` of position `number` (0-based); a fully closed one disappears."""
        leg = self.legs[number]
        left = leg.lots - exact(lots)
        if left < 0 or exact(lots) <= 0:
            raise InputError("bad_close_volume", f"cannot close {lots} lots of {leg.lots}")
        kept = (leg._replace(lots=left),) if left else ()
        legs = (*self.legs[:number], *kept, *self.legs[number + 1 :])
        return HedgedBook(legs, self.realised + leg.result(price, lots))

    def floating(self, price: Exact) -> Fraction:
        return sum((leg.result(price) for leg in self.legs), ZERO)

    def lots(self, side: int) -> Fraction:
        """Open lots of one side."""
        return sum((leg.lots for leg in self.legs if leg.side == side), ZERO)


def result(
    side: int, lots: Exact, open_price: Exact, close_price: Exact, contract: Exact, rate: Exact = 1
) -> Fraction:
    """P/L = (close − open)·side·lots·contract·rate, exact, in the account's currency."""
    move = exact(close_price) - exact(open_price)
    return move * _side(side) * exact(lots) * exact(contract) * exact(rate)


def _side(side: int) -> int:
    if side not in (BUY, SELL):
        raise InputError("bad_side", "a side is +1 (buy) or -1 (sell)", side=side)
    return side
