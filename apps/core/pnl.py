"""Profit and loss, exact: the one function that the engine and the simulator both use.

P/L = (close − open) · side · lots · contract · (quote → account rate), in the account's minor
units, rounded half away from zero once per position (math.md §2). Volumes are steps, prices are
points, so that everything but the rate is an integer; the rate is exact too (Decimal/Fraction).
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np

from apps.core.errors import InputError
from apps.core.ints import (
    Int64Array,
    fits,
    half_up_div,
    int64,
    max_abs,
    per_distinct,
    scale_half_up,
)

Rate = Decimal | Fraction | int
BUY, SELL = 1, -1


@dataclass(frozen=True, slots=True)
class SymbolTerms:
    """What turns steps and points into money of the quote currency.

    contract_size: units of the base per lot; volume_step: lots per step;
    price_digits: a point is 10**-price_digits of the quote currency.
    """

    contract_size: Decimal
    volume_step: Decimal
    price_digits: int

    def __post_init__(self) -> None:
        if self.contract_size <= 0 or self.volume_step <= 0 or self.price_digits < 0:
            raise InputError(
                "bad_symbol_terms",
                "contract size and volume step must be positive, price digits not negative",
                contract_size=str(self.contract_size),
                volume_step=str(self.volume_step),
                price_digits=self.price_digits,
            )

    @property
    def quote_per_point_step(self) -> Fraction:
        """Quote currency per point of price and step of volume."""
        return _quote_per_point_step(self.contract_size, self.volume_step, self.price_digits)


@lru_cache(maxsize=4096)
def _quote_per_point_step(
    contract_size: Decimal, volume_step: Decimal, price_digits: int
) -> Fraction:
    unit: Fraction = Fraction(contract_size) * Fraction(volume_step) / 10**price_digits
    return unit


def minor_per_point_step(terms: SymbolTerms, rate: Rate, money_digits: int) -> Fraction:
    """Minor units of the account's currency per point and step; `rate` is quote → account."""
    if rate <= 0:
        raise InputError("bad_rate", f"a conversion rate must be positive, not {rate}")
    # One Fraction instead of a product of them: each reduces itself by a common divisor.
    top, bottom = rate.as_integer_ratio()
    unit = terms.quote_per_point_step
    return Fraction(unit.numerator * top * 10**money_digits, unit.denominator * bottom)


def pnl_minor(
    steps: Int64Array,
    open_points: Int64Array | int,
    close_points: Int64Array | int,
    side: Int64Array | int,
    terms: SymbolTerms,
    rate: Rate,
    money_digits: int = 2,
) -> Int64Array:
    """Realised or floating P/L of n positions, int64[n] in minor units of the account's currency.

    steps: int64[n] ≥ 0; open_points, close_points: int or int64[n]; side: +1 buy, −1 sell, or a
    vector; rate: quote → account, one for all n (call once per account currency); money_digits:
    2, or 0 for JPY. Exact for every size: past int64 it computes with Python integers;
    OverflowError only when a *result* does not fit int64.
    """
    value = minor_per_point_step(terms, rate, money_digits)
    steps = int64(steps)
    sides = int64(side)
    if not bool(np.all(np.abs(sides) == 1)):
        raise InputError("bad_side", "a side is +1 (buy) or -1 (sell)")
    move = (int64(close_points) - int64(open_points)) * sides
    if fits(max_abs(move), max_abs(steps)):
        point_steps = np.broadcast_to(move * steps, steps.shape)
        return scale_half_up(point_steps, value.numerator, value.denominator)
    moves = np.broadcast_to(move, steps.shape).tolist()
    return int64(
        [
            half_up_div(one_move * one_steps * value.numerator, value.denominator)
            for one_move, one_steps in zip(moves, steps.tolist(), strict=True)
        ]
    )


def pnl_one(
    steps: int,
    open_points: int,
    close_points: int,
    side: int,
    terms: SymbolTerms,
    rate: Rate,
    money_digits: int = 2,
) -> int:
    """The scalar form of `pnl_minor`, in Python integers."""
    if side not in (BUY, SELL):
        raise InputError("bad_side", "a side is +1 (buy) or -1 (sell)")
    value = minor_per_point_step(terms, rate, money_digits)
    return half_up_div(
        (close_points - open_points) * side * steps * value.numerator, value.denominator
    )


def convert_minor(amounts: Int64Array, rate: Rate, from_digits: int, to_digits: int) -> Int64Array:
    """Minor units of one currency in minor units of another, half away from zero.

    amounts: int64[n]; rate: from → to, per whole unit; digits: of the two currencies.
    """
    factor = Fraction(rate) * Fraction(10) ** (to_digits - from_digits)
    amounts = int64(amounts)
    if fits(max_abs(amounts), factor.numerator, 2):
        return scale_half_up(amounts, factor.numerator, factor.denominator)
    return per_distinct(
        amounts, lambda amount: half_up_div(amount * factor.numerator, factor.denominator)
    )
