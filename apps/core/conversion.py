"""Conversion between currencies through the quotes at hand: direct, inverse, or through a pivot.

The rate returned is the one to record in the event that uses it, so it is a Decimal of at most
RATE_DIGITS significant digits; a direct quote is returned unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from apps.core.errors import InputError, RejectedError

RATE_DIGITS = 12
PIVOT = "USD"
_CONTEXT = Context(prec=RATE_DIGITS, rounding=ROUND_HALF_EVEN)
_WIDE = Context(prec=50)

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Conversion:
    """rate: units of `target` for one unit of `source`; path: the currencies passed through."""

    source: str
    target: str
    rate: Decimal
    path: tuple[str, ...]


def conversion(
    source: str, target: str, prices: Mapping[Pair, Decimal], pivot: str = PIVOT
) -> Conversion:
    """The rate source → target from `prices` {(base, quote): price of one base in quote}.

    A direct quote wins over the inverse, both over the way through `pivot`. Raises RejectedError
    `missing_rate` naming the pair nothing at hand converts, InputError `bad_rate` on a price ≤ 0.
    """
    if source == target:
        return Conversion(source, target, Decimal(1), (source,))
    one_leg = _leg(source, target, prices)
    if one_leg is not None:
        return Conversion(source, target, _CONTEXT.plus(one_leg), (source, target))
    if pivot not in (source, target):
        first, second = _leg(source, pivot, prices), _leg(pivot, target, prices)
        if first is not None and second is not None:
            rate = _CONTEXT.plus(_WIDE.multiply(first, second))
            return Conversion(source, target, rate, (source, pivot, target))
    raise RejectedError(
        "missing_rate",
        f"no quote converts {source} into {target}, neither directly nor through {pivot}",
        source=source,
        target=target,
        pivot=pivot,
    )


def _leg(source: str, target: str, prices: Mapping[Pair, Decimal]) -> Decimal | None:
    """Units of target for one source by the direct or the inverse quote, 50 digits wide."""
    for pair, inverse in (((source, target), False), ((target, source), True)):
        price = prices.get(pair)
        if price is None:
            continue
        if price <= 0:
            raise InputError(
                "bad_rate", f"the price of {'/'.join(pair)} is {price}", price=str(price)
            )
        return _WIDE.divide(Decimal(1), price) if inverse else price
    return None
