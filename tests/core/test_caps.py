"""Caps in vectors: exact, rounded down, and what they promise afterwards."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.allocation import NO_CAP, Reason
from apps.core.allocation.caps import leverage_room, margin_room, open_room, tightest
from apps.core.errors import InputError
from apps.core.ints import int64

money = st.one_of(st.integers(-(10**4), 10**6), st.integers(0, 1 << 61))


@given(money, st.integers(0, 10**6), st.integers(1, 10**6), st.integers(1, 400), st.integers(1, 99))
def test_the_margin_level_after_the_cap_is_at_least_the_limit_and_one_more_breaks_it(
    equity: int, used: int, cost: int, level: int, scale: int
) -> None:
    room = int(margin_room(int64([equity]), int64([used]), cost, level, scale)[0])
    per_step = Fraction(cost, scale)

    def holds(steps: int) -> bool:
        return Fraction(equity) * 100 >= level * (used + steps * per_step)

    assert room == 0 or holds(room)
    if room < NO_CAP:
        assert not holds(room + 1)


@given(money, st.integers(0, 10**9), st.integers(1, 10**6), st.fractions(Fraction(1, 9), 500))
def test_the_leverage_after_the_cap_is_at_most_the_limit(
    equity: int, notional: int, cost: int, leverage: Fraction
) -> None:
    room = int(leverage_room(int64([equity]), int64([notional]), cost, leverage)[0])
    assert room == 0 or notional + room * cost <= equity * leverage
    if room < NO_CAP:
        assert notional + (room + 1) * cost > equity * leverage


def test_the_tightest_limit_names_itself_and_of_equal_ones_the_first() -> None:
    cap, reason = tightest(
        3,
        [
            (int64([50, 40, NO_CAP]), Reason.CAP_LEVERAGE),
            (open_room(60, int64([10, 20, 70])), Reason.CAP_OPEN_LOTS),
            (NO_CAP, Reason.CAP_ORDER),
        ],
    )
    assert cap.tolist() == [50, 40, 0]
    assert reason.tolist() == [Reason.CAP_LEVERAGE, Reason.CAP_LEVERAGE, Reason.CAP_OPEN_LOTS]


def test_limits_that_make_no_sense_are_refused() -> None:
    with pytest.raises(InputError):
        margin_room(int64([1]), int64([0]), 1, 0)
    with pytest.raises(InputError):
        leverage_room(int64([1]), int64([0]), 0, 10)
