"""Equity protection and exposure limits: triggers at the level itself, moved by flows, in order."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import protection as guard
from apps.core.errors import InputError
from apps.core.exposure import Exposure, Limits, allowed

D = Decimal


def test_equity_at_the_level_is_stopped_and_a_cent_above_is_not() -> None:
    assert guard.stopped(D("7000.00"), D("7000.00"))
    assert not guard.stopped(D("7000.01"), D("7000.00"))


def test_trailing_levels() -> None:
    assert guard.trailing_percent(D("8497.42"), 16) == D("7137.83")
    assert guard.trailing_amount(D("8497.42"), 105) == D("8392.42")
    for bad in (0, 100, -3):
        with pytest.raises(InputError):
            guard.trailing_percent(100, bad)
    with pytest.raises(InputError):
        guard.trailing_amount(100, 0)


@given(st.lists(st.integers(0, 10**6), max_size=12), st.integers(1, 10**5))
def test_an_end_of_day_limit_never_falls(balances: list[int], amount: int) -> None:
    limits = guard.end_of_day_limits(100_000, amount, balances)
    assert limits == sorted(limits)
    assert limits[-1] == max([100_000, *balances]) - amount


@given(st.integers(1, 10**6), st.integers(-(10**5), 10**5), st.integers(1, 10**4))
def test_money_moved_is_not_money_lost(peak: int, flow: int, amount: int) -> None:
    """The distance between equity and its stop is the same after a deposit or a withdrawal."""
    reference = guard.Reference.started(peak)
    equity = peak - amount // 2
    before = equity - guard.trailing_amount(reference.peak, amount)
    after = equity + flow - guard.trailing_amount(reference.flowed(flow).peak, amount)
    assert before == after


def test_daily_limits_by_base() -> None:
    assert guard.daily_limit(5, 204_000, initial=200_000) == 194_000
    assert guard.daily_limit(5, 200_000, base=guard.DailyBase.START_BALANCE) == 190_000
    higher = guard.daily_limit(5, 200_000, start_equity=210_000, base=guard.DailyBase.HIGHER)
    assert higher == D("199500")
    assert guard.daily_limit(5, 200_000, initial=200_000, flows=-1000) == 189_000
    with pytest.raises(InputError):
        guard.daily_limit(5, 200_000)


def test_nothing_can_reopen_while_a_stop_closes() -> None:
    actions = guard.hard_stop_actions(["p1"], [("a", 5), ("b", D("-3")), ("c", D("-9"))])
    assert actions == [
        "set_state:close_only",
        "cancel_pending:p1",
        "close:c",
        "close:b",
        "close:a",
        "verify_flat",
        "set_state:blocked",
        "notify",
        "audit",
    ]


def test_drawdown_in_per_cent() -> None:
    assert guard.drawdown_percent(200, 150) == 25
    assert guard.drawdown_percent(100, 150) == 0
    assert guard.drawdown_percent(0, 150) == 0


LIMITS = Limits(max_leverage=10, max_open_lots=D("1.00"), max_lots_per_trade=D("0.55"))
NOW = Exposure(equity=10_000, open_notional=44_000, open_lots=D("0.40"))


def test_the_smallest_limit_binds_and_is_named() -> None:
    answer = allowed("EURUSD", 80, D("0.01"), LIMITS, NOW, notional_per_lot=110_000)
    assert (answer.steps, answer.binding) == (50, "max_leverage")
    assert answer.limits == {"max_leverage": 50, "max_open_lots": 60, "max_lots_per_trade": 55}
    assert allowed("EURUSD", 50, D("0.01"), LIMITS, NOW, notional_per_lot=110_000).binding == ""


def test_a_symbol_that_is_not_allowed_gets_nothing() -> None:
    limits = Limits(symbols={"EURUSD"})
    assert allowed("XAUUSD", 80, D("0.01"), limits, NOW).binding == "whitelist"
    assert allowed("EURUSD", 80, D("0.01"), limits, NOW).steps == 80


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(1, 10**4))
def test_a_limit_already_passed_leaves_nothing_rather_than_less(
    equity: int, used: int, per_lot: int
) -> None:
    limits = Limits(min_margin_level_percent=150)
    now = Exposure(equity=equity, used_margin=used)
    answer = allowed("X", 10**9, D("0.01"), limits, now, margin_per_lot=per_lot)
    assert answer.steps >= 0
    after = used + Fraction(answer.steps, 100) * per_lot
    assert answer.steps == 0 or Fraction(equity) * 100 >= 150 * after
