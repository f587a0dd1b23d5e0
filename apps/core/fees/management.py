"""The management fee: Σ daily max(E, 0) · rate / 365, posted once; other conventions as options."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.money import ZERO, Exact, exact, round_money


class DayCount(StrEnum):
    ACT_365 = "ACT/365"
    ACT_360 = "ACT/360"
    THIRTY_360 = "30/360"
    BUSINESS_252 = "business/252"


class EquityBase(StrEnum):
    DAILY = "daily"  # every day's own equity (default)
    OPENING = "opening"
    CLOSING = "closing"


_YEAR = {
    DayCount.ACT_365: 365,
    DayCount.ACT_360: 360,
    DayCount.THIRTY_360: 360,
    DayCount.BUSINESS_252: 252,
}


def year_days(convention: DayCount) -> int:
    """Days of the convention's year."""
    return _YEAR[convention]


def year_fraction(days: Exact, convention: DayCount = DayCount.ACT_365) -> Fraction:
    """days / the convention's year; for 30/360 count days with `days_30_360`."""
    if days < 0:
        raise InputError("bad_days", "days are not negative", days=str(days))
    return exact(days) / _YEAR[DayCount(convention)]


def days_30_360(start: date, end: date) -> int:
    """30/360 (bond basis) days from start to end: every month has 30."""
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    return (end.year - start.year) * 360 + (end.month - start.month) * 30 + last - first


def accrual_days(
    period_start: date, period_end: date, attached: date, detached: date | None = None
) -> int:
    """Days of [attached, detached) inside [period_start, period_end)."""
    end = period_end if detached is None else min(period_end, detached)
    return max((end - max(period_start, attached)).days, 0)


def management_fee(
    daily_equity: Iterable[tuple[Exact, int]],
    annual_rate: Exact,
    *,
    convention: DayCount = DayCount.ACT_365,
    base: EquityBase = EquityBase.DAILY,
    period_days: int | None = None,
    digits: int = 2,
) -> Decimal:
    """The period's fee, rounded once. A day with negative equity counts 0.

    daily_equity: (equity, for how many days), in order; period_days: the days the convention
    counts where they are not the calendar's (30 a month under 30/360; business days).
    """
    runs = [(max(exact(equity), ZERO), days) for equity, days in daily_equity]
    actual = sum(days for _, days in runs)
    if not runs or any(days <= 0 for _, days in runs):
        raise InputError("bad_days", "every run of days has at least one")
    counted = actual if period_days is None else period_days
    match EquityBase(base):
        case EquityBase.DAILY:
            average = sum((equity * days for equity, days in runs), ZERO) / actual
        case EquityBase.OPENING:
            average = runs[0][0]
        case EquityBase.CLOSING:
            average = runs[-1][0]
    return round_money(_accrued(average, annual_rate, counted, convention), digits)


def _accrued(equity: Fraction, rate: Exact, days: int, convention: DayCount) -> Fraction:
    if not 0 <= rate <= 1:
        raise InputError("bad_fee_rate", "a yearly rate is between 0 and 1", rate=str(rate))
    return equity * exact(rate) * year_fraction(days, convention)


def flat_fee(
    annual_amount: Exact,
    days: int,
    convention: DayCount = DayCount.ACT_365,
    digits: int = 2,
) -> Decimal:
    """A fixed yearly amount, pro rata."""
    return round_money(exact(annual_amount) * year_fraction(days, convention), digits)
