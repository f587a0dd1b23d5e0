"""Re-marking in fixed point is the sum of what every ticket's P/L function says."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import marking
from apps.core.ints import int64
from apps.core.pnl import SymbolTerms, minor_per_point_step, pnl_one

FX = SymbolTerms(Decimal(100_000), Decimal("0.01"), 5)
tickets = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 3), st.integers(-500, 500)), max_size=12
)


@given(tickets, st.lists(st.integers(-300, 300), min_size=3, max_size=3))
def test_a_frame_moves_equity_by_the_tickets_results(
    rows: list[tuple[int, int, int]], moves: list[int]
) -> None:
    symbols, accounts, steps = (int64([row[i] for row in rows]) for i in range(3))
    net = marking.fold(symbols, accounts, steps, (3, 4))
    value = marking.weights([minor_per_point_step(FX, 1, 2)] * 3)
    equity = np.zeros(4, dtype=np.int64)
    marking.remark(equity, net, int64(moves), value)
    expected = [0, 0, 0, 0]
    for symbol, account, signed in rows:
        side = 1 if signed >= 0 else -1
        expected[account] += pnl_one(abs(signed), 1000, 1000 + moves[symbol], side, FX, 1)
    assert marking.shown(equity).tolist() == expected


@given(tickets, st.lists(st.integers(-300, 300), min_size=3, max_size=3))
def test_frames_forth_and_back_leave_no_drift(
    rows: list[tuple[int, int, int]], moves: list[int]
) -> None:
    symbols, accounts, steps = (int64([row[i] for row in rows]) for i in range(3))
    net = marking.fold(symbols, accounts, steps, (3, 4))
    value = marking.weights([Fraction(1, 3), Fraction(7, 11), Fraction(2)])
    equity = int64([5, 6, 7, 8])
    for _ in range(5):
        marking.remark(equity, net, int64(moves), value)
        marking.remark(equity, net, -int64(moves), value)
    assert equity.tolist() == [5, 6, 7, 8]


def test_a_move_that_might_not_fit_is_an_error_and_changes_nothing() -> None:
    net = marking.Bounded(int64([[1 << 40]]), 1 << 40)
    equity = int64([1])
    with pytest.raises(OverflowError):
        marking.remark(equity, net, int64([1 << 30]), marking.weights([Fraction(1)]))
    assert equity.tolist() == [1]
