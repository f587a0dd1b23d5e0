"""Metrics, with empyrical-reloaded as the oracle where it is right."""

from __future__ import annotations

import math
from datetime import date
from fractions import Fraction
from itertools import pairwise

import empyrical
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.core.errors import InputError
from apps.core.metrics import gain as gains
from apps.core.metrics import ratios, returns, trades

series = st.lists(st.floats(-0.5, 0.5, allow_nan=False), min_size=2, max_size=40)


@given(series, st.sampled_from([12, 52, 252]))
def test_ratios_are_empyricals(values: list[float], yearly: int) -> None:
    data = np.array(values)
    assume(np.std(data, ddof=1) > 1e-6)
    ours = ratios.ratios(data, yearly)
    oracle = {
        "sharpe": empyrical.sharpe_ratio(data, annualization=yearly),
        "annual_volatility": empyrical.annual_volatility(data, annualization=yearly),
        "max_drawdown": empyrical.max_drawdown(data),
        "cumulative_return": empyrical.cum_returns_final(data),
        "cagr": empyrical.annual_return(data, annualization=yearly),
        "downside_risk": empyrical.downside_risk(data, annualization=yearly),
    }
    for name, expected in oracle.items():
        assert getattr(ours, name) == pytest.approx(expected, rel=1e-9, abs=1e-12), name
    if ours.sortino is not None and ours.downside_risk is not None and ours.downside_risk > 1e-9:
        expected = empyrical.sortino_ratio(data, annualization=yearly)
        assert ours.sortino == pytest.approx(expected, rel=1e-9)


def test_a_missing_period_is_not_a_period() -> None:
    """The trap: empyrical counts a leading NaN in the yearly return."""
    assert ratios.ratios([math.nan, 0.1, -0.05]).periods == 2
    assert ratios.cagr([math.nan, 0.1, -0.05]) == ratios.cagr([0.1, -0.05])


def test_ratios_that_do_not_exist_are_none() -> None:
    flat = ratios.ratios([0.01, 0.01, 0.01])
    assert flat.sharpe is None
    assert flat.sortino is None
    assert flat.calmar is None
    assert ratios.ratios([0.01]).sharpe is None
    assert ratios.gain_to_pain([0.1, 0.2]) is None
    assert ratios.gain_to_pain([0.1, -0.05]) == pytest.approx(1.0)


def test_the_risk_free_rate_is_yearly() -> None:
    plain = ratios.sharpe([0.02, -0.01, 0.03], 12)
    assert ratios.sharpe([0.03, 0.0, 0.04], 12, risk_free=0.12) == pytest.approx(plain)


amounts = st.integers(1, 10**7)


@given(
    st.lists(st.tuples(amounts, amounts), min_size=1, max_size=6),
    amounts,
    st.data(),
)
def test_a_flow_at_a_valuation_point_leaves_the_time_weighted_return_unchanged(
    periods: list[tuple[int, int]], flow: int, data: st.DataObject
) -> None:
    """Start every sub-period with more money at the same relative result: the return stays."""
    at = data.draw(st.integers(0, len(periods) - 1))
    factor = 1 + Fraction(flow, periods[at][0])
    scaled = [
        returns.SubPeriod(start * factor, end * factor)
        if index >= at
        else returns.SubPeriod(start, end)
        for index, (start, end) in enumerate(periods)
    ]
    assert returns.twr(scaled) == returns.twr([returns.SubPeriod(*p) for p in periods])


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=30))
def test_drawdown_on_an_index_is_empyricals(values: list[int]) -> None:
    index = [Fraction(1000 + value) for value in values]
    rates = [0.0] + [float(b / a) - 1 for a, b in pairwise(index)]
    expected = empyrical.max_drawdown(np.array(rates))
    assert float(returns.max_drawdown(index)) == pytest.approx(expected, abs=1e-12)


def test_everything_lost_stays_lost() -> None:
    lost = [returns.SubPeriod(100, -20), returns.SubPeriod(50, 500)]
    assert returns.twr(lost) == -1
    assert returns.max_drawdown(returns.index(lost)) == -1
    with pytest.raises(InputError):
        returns.twr([returns.SubPeriod(0, 10)])


def test_fees_are_performance_in_net_and_flows_in_gross() -> None:
    points = [returns.Valuation(10_900, 180, 2280), returns.Valuation(13_520)]
    assert returns.twr_net(10_000, points) == Fraction("0.11488")
    assert returns.twr_gross(10_000, points) == Fraction("0.1336")


def test_without_flows_dietz_and_xirr_are_the_simple_return() -> None:
    assert returns.modified_dietz(100, 110, 30, []).value == Fraction(1, 10)
    rate = returns.xirr([(date(2025, 1, 1), -100), (date(2026, 1, 1), 110)])
    assert rate == pytest.approx(0.1, abs=1e-9)
    at_start = returns.modified_dietz(100, 150, 10, [(50, 1)], flow_at_start_of_day=True)
    assert at_start.denominator == 150


def test_flows_nobody_can_solve_are_an_error() -> None:
    with pytest.raises(InputError) as caught:
        returns.xirr([(date(2025, 1, 1), 100), (date(2026, 1, 1), 110)])
    assert caught.value.code == "no_rate"
    with pytest.raises(InputError):
        returns.modified_dietz(100, 100, 10, [(5, 11)])
    with pytest.raises(InputError):
        returns.geometric_mean([])


@given(st.lists(st.integers(-500, 500), max_size=30))
def test_trade_statistics_add_up(results: list[int]) -> None:
    stats = trades.trade_stats(results)
    assert stats.wins + stats.losses + stats.breakeven == stats.trades == len(results)
    assert stats.net == stats.gross_profit + stats.gross_loss == sum(results)
    if stats.expectancy is not None:
        assert stats.expectancy * stats.trades == stats.net
    if not stats.losses:
        assert stats.profit_factor is None
        assert stats.avg_loss is None


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=8))
def test_exposure_counts_overlapping_positions_once(spans: list[tuple[int, int]]) -> None:
    ordered = [(min(pair), max(pair)) for pair in spans]
    covered = sum(any(a <= moment < b for a, b in ordered) for moment in range(10, 90))
    assert trades.exposure(ordered, 10, 90) == Fraction(covered, 80)


def test_gain_compounds_on_the_balance_at_the_open() -> None:
    events = [
        gains.Event(gains.Happened.DEPOSIT, 200),
        gains.Event(gains.Happened.OPEN, trade="a"),
        gains.Event(gains.Happened.WITHDRAWAL, 100),
        gains.Event(gains.Happened.CLOSE, 10, "a"),
    ]
    assert gains.gain(events) == Fraction(1, 20)
    assert gains.absolute_gain(10, 200, 100) == Fraction(1, 10)
    assert gains.absolute_gain(10, 100, 100) is None
    with pytest.raises(InputError):
        gains.gain([gains.Event(gains.Happened.CLOSE, 5)])
