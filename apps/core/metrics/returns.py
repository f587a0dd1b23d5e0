"""Returns: time-weighted, money-weighted, modified Dietz; drawdown on the index, not on equity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from fractions import Fraction
from typing import NamedTuple

import pyxirr

from apps.core.errors import InputError
from apps.core.money import ZERO, Exact, exact


class SubPeriod(NamedTuple):
    """Equity right after the flow that begins it, and right before the one that ends it."""

    start: Exact
    end: Exact


def index(periods: Sequence[SubPeriod]) -> list[Fraction]:
    """The unit index 1, … after every sub-period; it stays at 0 once everything is lost.

    Raises InputError `no_start_equity` when a sub-period starts with nothing or less.
    """
    values = [Fraction(1)]
    for period in periods:
        if period.start <= 0:
            raise InputError(
                "no_start_equity",
                "a return needs positive equity at its start",
                start=str(period.start),
            )
        values.append(values[-1] * max(exact(period.end) / exact(period.start), ZERO))
    return values


def twr(periods: Sequence[SubPeriod]) -> Fraction:
    """Time-weighted return: Π end/start − 1."""
    return index(periods)[-1] - 1


def max_drawdown(values: Sequence[Exact]) -> Fraction:
    """min(value / running peak) − 1 of an index, ≤ 0."""
    peak, worst = ZERO, ZERO
    for value in map(exact, values):
        peak = max(peak, value)
        if peak > 0:
            worst = min(worst, value / peak - 1)
    return worst


class Valuation(NamedTuple):
    """A valuation point: equity before anything, then the fee taken, then the external flow."""

    equity: Exact
    fee: Exact = 0
    flow: Exact = 0


def twr_net(begin: Exact, points: Sequence[Valuation]) -> Fraction:
    """Fees are performance: each sub-period ends after its fee."""
    return twr(_periods(begin, points, gross=False))


def twr_gross(begin: Exact, points: Sequence[Valuation]) -> Fraction:
    """Fees are external flows: each sub-period ends before its fee."""
    return twr(_periods(begin, points, gross=True))


def _periods(begin: Exact, points: Sequence[Valuation], *, gross: bool) -> list[SubPeriod]:
    periods, start = [], exact(begin)
    for point in points:
        after_fee = exact(point.equity) - exact(point.fee)
        periods.append(SubPeriod(start, exact(point.equity) if gross else after_fee))
        start = after_fee + exact(point.flow)
    return periods


class Dietz(NamedTuple):
    denominator: Fraction
    value: Fraction


def modified_dietz(
    begin: Exact,
    end: Exact,
    days: int,
    flows: Sequence[tuple[Exact, int]],
    *,
    flow_at_start_of_day: bool = False,
) -> Dietz:
    """(end − begin − Σ flows) / (begin + Σ flow·weight), weight = (CD − D)/CD of day D (1-based).

    flow_at_start_of_day: weight = (CD − D + 1)/CD.
    """
    shift = 1 if flow_at_start_of_day else 0
    if days < 1 or any(not 0 <= day <= days + shift for _, day in flows):
        raise InputError("bad_days", f"a flow is on a day of the period of {days} days")
    total = sum((exact(flow) for flow, _ in flows), ZERO)
    weighted = sum((exact(flow) * Fraction(days - day + shift, days) for flow, day in flows), ZERO)
    denominator = exact(begin) + weighted
    if denominator <= 0:
        raise InputError("no_start_equity", "the average capital is not positive")
    return Dietz(denominator, (exact(end) - exact(begin) - total) / denominator)


def xirr(flows: Sequence[tuple[date, Exact]]) -> float:
    """Money-weighted return, ACT/365. InputError `no_rate` when no rate solves the flows."""
    days, amounts = [day for day, _ in flows], [float(amount) for _, amount in flows]
    return _solved(lambda: pyxirr.xirr(days, amounts))


def irr(flows: Sequence[Exact]) -> float:
    """Money-weighted return per period of equally spaced flows."""
    amounts = [float(amount) for amount in flows]
    return _solved(lambda: pyxirr.irr(amounts))


def _solved(solver: Callable[[], float | None]) -> float:
    try:
        rate = solver()
    except pyxirr.InvalidPaymentsError as error:
        raise InputError("no_rate", f"no rate of return: {error}") from None
    if rate is None:
        raise InputError("no_rate", "no rate of return solves these flows")
    return rate


def geometric_mean(returns: Sequence[Exact]) -> float:
    """(Π(1 + r))^(1/n) − 1 per period."""
    product = Fraction(1)
    for period_return in returns:
        product *= 1 + exact(period_return)
    if not returns or product < 0:
        raise InputError("no_rate", "no mean return of no periods, or of more than all lost")
    mean: float = float(product) ** (1 / len(returns))
    return mean - 1
