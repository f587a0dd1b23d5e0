"""Fees that are no performance fee: management, volume, joining, exit, minimum. Minor units."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.billing.compute.values import HeldError, Terms, Window
from apps.core.fees.management import DayCount, EquityBase, days_30_360, year_days
from apps.core.fees.terms import Management, Sides, Tier, VolumeUnit, tier_rate
from apps.core.ints import half_up, half_up_div

Explained = tuple[int, dict[str, Any]]
MILLION = 1_000_000


def management(window: Window, plan: Management, until: date | None = None) -> Explained:
    """Σ daily max(E, 0) · rate / year over the window's days, or over those before `until`."""
    assert window.first_day is not None
    days = len(window.daily_minor)
    if until is not None:
        days = min(max((until - window.first_day).days, 0), days)
    if days == 0:
        return 0, {"days": 0}
    total, per = _base(window, plan.base, days)
    rate = _rate(window, plan.tiers, plan.rate, half_up_div(total, per))
    counted = _counted(window.first_day, days, plan.day_count)
    year = year_days(plan.day_count)
    over, under = rate.as_integer_ratio()
    fee = half_up_div(total * over * counted, per * under * year)
    return fee, {
        "average_minor": half_up_div(total, per),
        "rate": str(rate),
        "days": days,
        "counted_days": counted,
        "year_days": year,
        "day_count": str(plan.day_count),
        "base": str(plan.base),
    }


def _base(window: Window, base: EquityBase, days: int) -> tuple[int, int]:
    """(sum, count): the equity the fee is computed on is sum / count, never negative."""
    match base:
        case EquityBase.DAILY:
            return sum(equity for equity in window.daily_minor[:days] if equity > 0), days
        case EquityBase.OPENING:
            return max(window.opening.net_minor, 0), 1
        case EquityBase.CLOSING:
            return max(window.closing.net_minor, 0), 1


def _counted(first: date, days: int, convention: DayCount) -> int:
    match convention:
        case DayCount.THIRTY_360:
            return days_30_360(first, first + timedelta(days=days))
        case DayCount.BUSINESS_252:
            return business_days(first, days)
        case _:
            return days


def business_days(first: date, days: int) -> int:
    """Mondays to Fridays among `days` days from `first` on."""
    weeks, rest = divmod(days, 7)
    return weeks * 5 + sum((first.weekday() + n) % 7 < 5 for n in range(rest))


def volume(window: Window, terms: Terms) -> Explained:
    """Lots or million USD of notional, per round turn or side, at the plan's amount."""
    plan = terms.fees.volume
    assert plan is not None
    turnover, both = window.turnover, plan.sides is Sides.SIDE
    if plan.unit is VolumeUnit.LOT:
        quantity = turnover.lots_out + (turnover.lots_in if both else 0)
    elif turnover.missing:
        raise HeldError(
            "missing_rate",
            f"No rate converts {turnover.missing} into USD at the window's end.",
            currency=turnover.missing,
        )
    else:
        quantity = (turnover.usd_out + (turnover.usd_in if both else 0)) / MILLION
    fee = half_up(Fraction(quantity) * Fraction(plan.amount) * _minor_units(window))
    return fee, {
        "quantity": f"{quantity.normalize():f}",
        "unit": str(plan.unit),
        "sides": str(plan.sides),
        "amount": str(plan.amount),
        **_rate_used(window, terms),
    }


def once(window: Window, terms: Terms, amount: Decimal, rate: Decimal, on_minor: int) -> Explained:
    """An amount of the plan's currency and a part of an equity: joining and exit fees."""
    fee = Fraction(max(on_minor, 0)) * Fraction(rate)
    if amount:
        fee += Fraction(amount) * _minor_units(window)
    used = _rate_used(window, terms) if amount else {}
    return half_up(fee), {
        "amount": str(amount), "rate": str(rate), "equity_minor": max(on_minor, 0), **used
    }  # fmt: skip


def minimum(window: Window, terms: Terms, charged_minor: int) -> Explained:
    """What is missing to the least a period costs, pro rata by the days followed."""
    days, of_days = window.minimum_part
    least = half_up(Fraction(terms.fees.minimum) * _minor_units(window) * Fraction(days, of_days))
    had = charged_minor + window.earlier_minor
    return max(least - had, 0), {
        "minimum": str(terms.fees.minimum),
        "days": days,
        "of_days": of_days,
        "least_minor": least,
        "charged_minor": had,
        **_rate_used(window, terms),
    }


def _rate(window: Window, tiers: tuple[Tier, ...], rate: Decimal, equity_minor: int) -> Decimal:
    return tier_rate(tiers, rate, in_plan_currency(window, equity_minor)) if tiers else rate


def in_plan_currency(window: Window, minor: int) -> Decimal:
    """An amount of the account as one of the plan. Raises HeldError("missing_rate")."""
    return Decimal(minor).scaleb(-window.digits) / _known_rate(window)


def _minor_units(window: Window) -> Fraction:
    """Minor units of the account's currency for one unit of the plan's."""
    return Fraction(_known_rate(window)) * Fraction(10**window.digits)


def _known_rate(window: Window) -> Decimal:
    if window.rate is None:
        raise HeldError(
            "missing_rate",
            f"No rate converts the plan's currency into {window.currency} at the window's end.",
            currency=window.currency,
        )
    return window.rate


def _rate_used(window: Window, terms: Terms) -> dict[str, Any]:
    return {"currency": terms.fees.currency, "conversion_rate": str(_known_rate(window))}
