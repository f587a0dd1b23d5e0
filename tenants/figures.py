"""Figures for people: money, prices, lots, percentages, ages as text.

Input is exact (int minor units, int points, int steps, Decimal); nothing here rounds money. The
separators are CLDR's for the active language; static/js/format.js writes the same text.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from babel import Locale
from django.utils.translation import get_language, to_locale

MINUS = "\N{MINUS SIGN}"
# ISO 4217 currencies whose minor unit is not a hundredth.
CURRENCY_DIGITS = {"JPY": 0, "KRW": 0, "VND": 0, "CLP": 0, "BHD": 3, "KWD": 3, "OMR": 3}


@dataclass(frozen=True, slots=True)
class Marks:
    """Separators of one language."""

    decimal: str = "."
    group: str = ","


def active_marks() -> Marks:
    """The separators of the active language, for Western digits in every language."""
    return _marks(get_language() or "en")


@functools.cache
def _marks(language: str) -> Marks:
    symbols = Locale.parse(to_locale(language)).number_symbols["latn"]
    return Marks(symbols["decimal"], symbols["group"])


def currency_digits(currency: str) -> int:
    """Digits of the minor unit: 2 unless ISO 4217 says otherwise."""
    return CURRENCY_DIGITS.get(currency, 2)


def sign_name(value: Decimal | int) -> str:
    """'up', 'down' or 'flat'."""
    return "up" if value > 0 else "down" if value < 0 else "flat"


def _grouped(digits: str, group: str) -> str:
    head = len(digits) % 3
    parts = [digits[:head]] if head else []
    parts += [digits[i : i + 3] for i in range(head, len(digits), 3)]
    return group.join(parts)


def scaled_text(
    value: int, digits: int, marks: Marks, *, signed: bool = False, grouped: bool = True
) -> str:
    """`value` / 10^digits as text, exact; `signed` writes + on positives, never on zero."""
    whole, fraction = divmod(abs(value), 10**digits)
    text = _grouped(str(whole), marks.group) if grouped else str(whole)
    if digits:
        text += marks.decimal + str(fraction).zfill(digits)
    if value < 0:
        return MINUS + text
    return "+" + text if signed and value > 0 else text


def money_text(minor: int, currency: str, marks: Marks, *, signed: bool = False) -> str:
    """Minor units as an amount without its unit: 123456 USD is '1,234.56'."""
    return scaled_text(minor, currency_digits(currency), marks, signed=signed)


def price_text(points: int, digits: int, marks: Marks) -> str:
    """Points as a price, never grouped: dealers read digits by position."""
    return scaled_text(points, digits, marks, grouped=False)


def decimal_text(
    value: Decimal, digits: int, marks: Marks, *, signed: bool = False, grouped: bool = True
) -> str:
    """A Decimal for display, rounded half even to `digits`."""
    scaled = int((value * 10**digits).to_integral_value(rounding=ROUND_HALF_EVEN))
    return scaled_text(scaled, digits, marks, signed=signed, grouped=grouped)


def lots_text(steps: int, volume_step: Decimal, marks: Marks) -> str:
    """Volume steps as lots, with as many decimals as the step has: 130 × 0.01 is '1.30'."""
    digits = max(0, -int(volume_step.normalize().as_tuple().exponent))
    return scaled_text(int(steps * volume_step * 10**digits), digits, marks)


def percent_text(ratio: Decimal, digits: int, marks: Marks, *, signed: bool = False) -> str:
    """A ratio as per cent: Decimal('0.1234') is '12.34%'."""
    return decimal_text(ratio * 100, digits, marks, signed=signed) + "%"


def age_text(age_ms: int) -> str:
    """How long ago, in one unit: '3 s', '12 min', '5 h', '2 d' (symbols, the same everywhere)."""
    seconds = max(0, age_ms) // 1000
    for size, symbol in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {symbol}"
    return f"{seconds} s"
