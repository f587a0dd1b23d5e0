"""Overnight swaps: points or percent, nights with the triple day (math.md §2). Exact, unrounded."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.money import Exact, exact

WEDNESDAY, FRIDAY = 2, 4


def swap_points(
    lots: Exact,
    contract: Exact,
    point: Exact,
    points: Exact,
    weight: Exact,
    quote_to_account: Exact = 1,
) -> Fraction:
    """lots·contract·point·swap·weight·rate; weight: nights, the triple day counting three."""
    notional = exact(lots) * exact(contract) * exact(point)
    return notional * exact(points) * exact(weight) * exact(quote_to_account)


def swap_percent(
    lots: Exact,
    contract: Exact,
    price: Exact,
    percent: Exact,
    weight: Exact,
    quote_to_account: Exact = 1,
    year_days: int = 360,
) -> Fraction:
    """swap/100/360·price·contract·lots·days·rate."""
    notional = exact(lots) * exact(contract) * exact(price)
    return notional * exact(percent) / 100 / year_days * exact(weight) * exact(quote_to_account)


def nights(opened: date, closed: date, triple_weekday: int = WEDNESDAY) -> int:
    """Swap weight of a position held from `opened` to `closed` (server days).

    One for each rollover at the end of Monday to Friday, three at the end of `triple_weekday`
    (0 = Monday); the weekend's nights are what the triple day stands for.
    """
    if closed < opened:
        raise InputError("bad_dates", f"closed {closed} before opened {opened}")
    if not 0 <= triple_weekday <= FRIDAY:
        raise InputError("bad_triple_day", "the triple day is a weekday, 0 (Monday) to 4 (Friday)")
    days = ((opened + timedelta(days=n)).weekday() for n in range((closed - opened).days))
    return sum(3 if day == triple_weekday else 1 for day in days if day <= FRIDAY)
