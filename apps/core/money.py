"""Money: exact values, one rounding, digits per currency.

Formulas compute in Fraction (`Exact` in, Fraction inside); what is posted is a Decimal with the
currency's digits, rounded once, half away from zero (math.md: money_rounding).
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor

from apps.core.errors import InputError
from apps.core.ints import half_up

Exact = Decimal | Fraction | int
ZERO = Fraction(0)

_DIGITS = {
    # ISO 4217 minor units that are not 2
    **dict.fromkeys(
        ("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND"), 0
    ),
    **dict.fromkeys(("VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}


def digits_of(currency: str) -> int:
    """Minor-unit digits of an ISO 4217 currency: 2, JPY 0, KWD 3."""
    return _DIGITS.get(currency.upper(), 2)


def exact(value: Exact | str) -> Fraction:
    """The exact value; a float is refused (TypeError): it is not the number that was written."""
    if isinstance(value, float):
        raise TypeError("a float is never an amount")
    try:
        return Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise InputError("bad_number", f"{value!r} is not a number", value=str(value)) from None


def _scaled(units: int, digits: int) -> Decimal:
    """`units` / 10**digits as a Decimal that keeps its digits, whatever the context."""
    sign = 1 if units < 0 else 0
    return Decimal((sign, tuple(int(char) for char in str(abs(units))), -digits))


def round_money(value: Exact, digits: int = 2) -> Decimal:
    """Half-up, away from zero: 0.125 → 0.13, −1.005 → −1.01."""
    return _scaled(half_up(exact(value) * Fraction(10) ** digits), digits)


def round_half_even(value: Exact, digits: int = 2) -> Decimal:
    """Banker's rounding, for brokers whose books need it: 0.125 → 0.12."""
    return _scaled(round(exact(value) * Fraction(10) ** digits), digits)


def floor_money(value: Exact, digits: int = 2) -> Decimal:
    """Towards zero, so that a correction (a negative amount) mirrors what it corrects."""
    scaled = exact(value) * Fraction(10) ** digits
    return _scaled(floor(abs(scaled)) * (-1 if scaled < 0 else 1), digits)


def to_minor(amount: Exact, digits: int = 2) -> int:
    """Minor units of an amount that has at most `digits` decimals; InputError otherwise."""
    scaled = exact(amount) * Fraction(10) ** digits
    if scaled.denominator != 1:
        raise InputError(
            "too_many_decimals",
            f"{amount} has more than {digits} decimals",
            amount=str(amount),
            digits=digits,
        )
    return scaled.numerator


def from_minor(minor: int, digits: int = 2) -> Decimal:
    """The amount of `minor` units."""
    return _scaled(minor, digits)
