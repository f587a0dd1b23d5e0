"""Dividing an amount among manager, broker and introducing brokers: nothing lost, nothing made."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum

from apps.core.errors import InputError
from apps.core.money import Exact, exact, floor_money, round_money


class Sharing(StrEnum):
    FLAT = "flat"  # every percentage of the whole amount
    CASCADE = "cascade"  # every percentage of what the parties before it left


Ratio = tuple[int, int]  # numerator, denominator > 0


def ratio_of(part: Decimal) -> Ratio:
    """0.8 → (4, 5)."""
    return part.as_integer_ratio()


def share_minor(
    amount_minor: int, ratios: Sequence[Ratio], mode: Sharing = Sharing.FLAT
) -> tuple[int, ...]:
    """`share` on minor units ≥ 0: a part for each ratio, floored, and one more: the rest.

    The last party's ratio is not named: it gets what the others left.
    """
    left, parts = amount_minor, []
    for numerator, denominator in ratios:
        base = amount_minor if mode is Sharing.FLAT else left
        own = min(base * numerator // denominator, left)
        parts.append(own)
        left -= own
    return (*parts, left)


def share(
    amount: Exact,
    percents: Sequence[Exact],
    mode: Sharing = Sharing.FLAT,
    digits: int = 2,
) -> list[Decimal]:
    """Parts in the order of the parties: all but the last floored, the last gets the rest.

    The last percentage is what the parties agreed, not what is computed: the rest is. A negative
    amount (a correction) mirrors the positive one. Raises InputError `bad_shares`.
    """
    parts = [exact(percent) for percent in percents]
    if not parts or any(not 0 <= part <= 100 for part in parts):
        raise InputError("bad_shares", "shares are percentages between 0 and 100")
    if Sharing(mode) is Sharing.FLAT and sum(parts) > 100:
        raise InputError("bad_shares", f"the shares sum to {float(sum(parts))} per cent")
    whole = round_money(amount, digits)
    if exact(whole) != exact(amount):
        raise InputError("too_many_decimals", f"{amount} has more than {digits} decimals")
    left, shares = whole, []
    for part in parts[:-1]:
        base = whole if mode == Sharing.FLAT else left
        own = floor_money(exact(base) * part / 100, digits)
        shares.append(own)
        left -= own
    return [*shares, left]
