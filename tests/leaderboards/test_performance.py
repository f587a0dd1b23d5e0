"""Performance and ranking against simple loops, for any history."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.leaderboards.performance import (
    PastFlow,
    PastRecord,
    PastTrade,
    Performance,
    composite_returns,
    of_records,
    sparkline,
)
from apps.leaderboards.ranking import Entry, ranked

START = datetime(2026, 1, 1, tzinfo=UTC)
RESULT = st.decimals(-50, 80, places=2)


def trade(number: int, opened: int, closed: int, net: Decimal) -> PastTrade:
    return PastTrade(number, START + timedelta(hours=opened), START + timedelta(hours=closed), net)


@given(st.lists(RESULT, min_size=1, max_size=15))
def test_gain_and_drawdown_of_trades_one_after_another_equal_a_loop(results: list[Decimal]) -> None:
    trades = [trade(n, 2 * n, 2 * n + 1, net) for n, net in enumerate(results)]
    performance = of_records([PastRecord(Decimal(1000), trades, [])])
    balance, peak, deepest = 1000.0, 1000.0, 0.0
    for net in results:
        balance += float(net)
        peak = max(peak, balance)
        deepest = min(deepest, balance / peak - 1)
    assert performance is not None
    assert performance.gain == pytest.approx(balance / 1000 - 1, abs=1e-9)
    assert performance.max_drawdown == pytest.approx(deepest, abs=1e-9)


def test_gain_is_on_the_balance_when_the_trade_opened() -> None:
    """math.md §4, the published examples: −20 % and +5 % though money moved in between."""
    for flow, net, start, expected in ((100, -20, 100, -0.2), (-100, 10, 200, 0.05)):
        flows = [PastFlow(START + timedelta(hours=2), Decimal(flow))]
        record = PastRecord(Decimal(start), [trade(1, 1, 3, Decimal(net))], flows)
        performance = of_records([record])
        assert performance is not None
        assert performance.gain == pytest.approx(expected)


@settings(max_examples=60)
@given(st.data())
def test_the_composite_equals_linking_period_by_period(data: st.DataObject) -> None:
    accounts = data.draw(st.integers(1, 4))
    periods = data.draw(st.integers(1, 8))
    amounts = st.floats(100, 1000)
    equity = np.array([[data.draw(amounts) for _ in range(periods)] for _ in range(accounts)])
    inflow = np.array([[data.draw(amounts) for _ in range(periods)] for _ in range(accounts)])
    outflow = np.zeros_like(equity)
    returns = composite_returns(equity, inflow, outflow)
    before = 0.0
    for period in range(periods):
        base = before + sum(inflow[:, period])
        before = sum(equity[:, period])
        assert returns[period] == pytest.approx(before / base - 1)


@given(st.lists(st.floats(10, 1e6), min_size=2, max_size=20))
def test_money_in_and_out_alone_is_no_performance(levels: list[float]) -> None:
    moves = np.diff(np.array([0.0, *levels]))
    returns = composite_returns(
        np.array([levels]), np.array([np.maximum(moves, 0)]), np.array([np.maximum(-moves, 0)])
    )
    assert np.allclose(returns, 0.0, atol=1e-9)


def test_a_sparkline_is_short_and_keeps_both_ends() -> None:
    returns = [0.01] * 500
    points = sparkline(returns)
    assert len(points) == 48
    assert points[0] == 1.0
    assert points[-1] == pytest.approx(1.01**500, rel=1e-6)


def entry(gain: float, *, live: bool = True, trades: int = 50, number: int = 1) -> Entry:
    performance = Performance(gain, -0.1, 1.5, 0.5, trades, START, START, [1.0])
    return Entry(number, uuid.UUID(int=number), live, performance)


def test_verified_comes_before_imported_and_large_samples_before_small() -> None:
    imported, tiny, sound = entry(9.0, live=False), entry(5.0, trades=3), entry(0.1)
    assert ranked([imported, tiny, sound]) == [sound, tiny, imported]


@given(st.permutations([entry(0.2, number=n) for n in range(1, 7)]))
def test_ties_always_fall_the_same_way(entries: list[Entry]) -> None:
    assert [one.master_id for one in ranked(entries)] == [1, 2, 3, 4, 5, 6]
