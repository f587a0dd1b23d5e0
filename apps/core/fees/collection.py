"""Taking a fee from an account: what can be taken now; the rest is a receivable, never lost."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from apps.core.errors import InputError
from apps.core.money import Exact, exact, floor_money, round_money


class Collection(NamedTuple):
    """collected + receivable = due, always."""

    collected: Decimal
    receivable: Decimal
    equity_after: Decimal


def collectable(
    balance: Exact,
    equity: Exact,
    used_margin: Exact,
    min_margin_level_percent: Exact = 100,
    digits: int = 2,
) -> Decimal:
    """The most that can be taken: min(balance, equity − used margin·level/100), at least 0."""
    free = exact(equity) - exact(used_margin) * exact(min_margin_level_percent) / 100
    return floor_money(max(min(exact(balance), free), exact(0)), digits)


def collect(
    due: Exact,
    balance: Exact,
    equity: Exact,
    used_margin: Exact,
    min_margin_level_percent: Exact = 100,
    digits: int = 2,
) -> Collection:
    """min(fee, balance, equity − used margin); `due` includes what was left receivable before."""
    if due < 0:
        raise InputError("bad_fee", "a fee is not negative", due=str(due))
    amount = round_money(due, digits)
    taken = min(amount, collectable(balance, equity, used_margin, min_margin_level_percent, digits))
    return Collection(taken, amount - taken, round_money(equity, digits) - taken)


def apply_to_oldest(collected: Decimal, receivables: Sequence[Decimal]) -> list[Decimal]:
    """How much of each receivable (oldest first) `collected` pays."""
    paid, left = [], collected
    for receivable in receivables:
        part = min(left, receivable)
        paid.append(part)
        left -= part
    if left > 0:
        raise InputError("overpaid", f"{left} more was collected than was due", left=str(left))
    return paid
