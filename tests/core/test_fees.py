"""Fees: never negative, never twice on the same gain; due = taken + receivable."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import InputError
from apps.core.fees import hwm as marks
from apps.core.fees.account import FeeAccount, PerformancePlan
from apps.core.fees.collection import apply_to_oldest, collect
from apps.core.fees.commission import per_lot, per_million
from apps.core.fees.hwm import HwmBasis, WithdrawalRule
from apps.core.fees.management import (
    DayCount,
    EquityBase,
    accrual_days,
    days_30_360,
    flat_fee,
    management_fee,
)
from apps.core.fees.performance import (
    Base,
    Hurdle,
    LossCarry,
    chargeable_gains,
    fee_on_gain,
    hurdle_amount,
    performance_fee,
    result_total,
)
from apps.core.fees.sharing import Sharing, share
from apps.core.money import from_minor

D = Decimal
cents = st.integers(-2_000_000, 2_000_000)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("pnl"), cents),
        st.tuples(st.just("dep"), st.integers(1, 2_000_000)),
        st.tuples(st.just("wd"), st.integers(1, 100)),
        st.tuples(st.just("crys"), st.just(0)),
    ),
    max_size=20,
)
plans = st.builds(
    PerformancePlan,
    rate=st.decimals(0, 1, places=2),
    basis=st.sampled_from(HwmBasis),
    withdrawal_rule=st.sampled_from(WithdrawalRule),
    hurdle_kind=st.sampled_from(Hurdle),
    hurdle=st.decimals(0, 1, places=2),
    full_crystallisation=st.booleans(),
)


class Path:
    """A link's life: what was earned and what was charged."""

    def __init__(self, plan: PerformancePlan) -> None:
        self.account = FeeAccount.opened(plan, 10_000)
        self.fees: list[Decimal] = []
        self.earned, self.best = Fraction(0), Fraction(0)

    def step(self, kind: str, value: int) -> None:
        before = self.account
        if kind == "pnl":
            self.account = before.traded(from_minor(value), days=30)
            self.earned += Fraction(value, 100)
            self.best = max(self.best, self.earned)
        elif kind == "dep":
            self.account = before.deposited(from_minor(value))
        elif kind == "crys":
            self.account, charge = before.crystallised()
            self.fees.append(charge.performance)
        elif before.equity > 1:
            # A percentage of what is left after the fee that is crystallised first.
            left = before.crystallised()[0].equity
            self.account, charge = before.withdrawn(left * value / 100)
            self.fees.append(charge.performance)
        if kind != "wd":
            assert self.account.hwm >= before.hwm


@given(plans, steps)
def test_fees_are_never_negative_and_the_mark_falls_only_by_a_withdrawal(
    plan: PerformancePlan, path: list[tuple[str, int]]
) -> None:
    life = Path(plan)
    for kind, value in path:
        life.step(kind, value)
    assert all(fee >= 0 for fee in life.fees)


@given(plans, steps)
def test_no_gain_is_charged_twice_whatever_flows_in_and_out(
    plan: PerformancePlan, path: list[tuple[str, int]]
) -> None:
    """All fees together are at most the rate on the best cumulative result ever reached."""
    life = Path(replace(plan, withdrawal_rule=WithdrawalRule.AMOUNT, full_crystallisation=True))
    for kind, value in path:
        life.step(kind, value)
    rounding = Fraction(len(life.fees), 200)
    assert sum(life.fees) <= Fraction(plan.rate) * life.best + rounding


@given(plans, steps)
def test_crystallising_twice_at_the_same_equity_charges_nothing_the_second_time(
    plan: PerformancePlan, path: list[tuple[str, int]]
) -> None:
    life = Path(plan)
    for kind, value in path:
        life.step(kind, value)
    once, charge = life.account.crystallised()
    if charge.performance > 0:
        assert once.crystallised()[1].performance == 0


@given(st.integers(0, 10**7), st.integers(1, 10**7), st.integers(1, 99))
def test_a_proportional_withdrawal_keeps_the_distance_to_the_mark_in_per_cent(
    mark: int, equity: int, percent: int
) -> None:
    after = marks.after_withdrawal(mark, equity, Fraction(equity * percent, 100))
    assert after * equity == mark * (equity - Fraction(equity * percent, 100))
    by_amount = marks.after_withdrawal(mark, equity, 1, WithdrawalRule.AMOUNT)
    assert by_amount - (equity - 1) == mark - equity


def test_flows_that_make_no_sense_are_refused() -> None:
    for amount in (0, -5, 101):
        with pytest.raises(InputError):
            marks.after_withdrawal(100, 100, amount)
    with pytest.raises(InputError):
        marks.after_deposit(100, 0)


def test_the_management_fee_comes_first_and_the_performance_fee_is_net_of_it() -> None:
    plan = PerformancePlan(rate=D("0.25"))
    account = FeeAccount.opened(plan, 20_000).traded(D("3150.47"))
    left, charge = account.detached(D("18.63"))
    assert (charge.management, charge.performance) == (D("18.63"), D("782.96"))
    assert left.hwm == left.equity == Fraction(D("22348.88"))
    independent = replace(account, plan=replace(plan, net_of_management=False))
    assert independent.detached(D("18.63"))[1].performance == D("787.62")


def test_reattaching_keeps_the_mark_moved_by_the_flows_in_between() -> None:
    left, _ = FeeAccount.opened(PerformancePlan(rate=D("0.2")), 1000).traded(-100).detached()
    back = left.reattached(700, withdrawals=200)
    assert back.hwm == Fraction(1000) * 700 / 900
    assert back.traded(50).crystallised()[1].performance == 0
    assert left.reattached(1400, deposits=500).hwm == 1500


def test_the_brokers_credit_for_a_negative_balance_is_no_deposit() -> None:
    account = FeeAccount.opened(PerformancePlan(rate=D("0.2")), 1000).traded(-1200)
    assert account.crystallised()[1].performance == 0
    healed = account.forgiven()
    assert (healed.equity, healed.hwm) == (Fraction(0), Fraction(1000))


def test_only_the_withdrawn_share_can_be_crystallised() -> None:
    plan = PerformancePlan(rate=D("0.2"), full_crystallisation=False)
    account, charge = FeeAccount.opened(plan, 1000).traded(500).withdrawn(750)
    assert charge.performance == D("50.00")
    assert (account.equity, account.hwm) == (Fraction(750), Fraction(500))


# --- hurdles


@pytest.mark.parametrize(
    ("kind", "gain", "fee"),
    [
        (Hurdle.NONE, 100, 20),
        (Hurdle.HARD, 100, 10),
        (Hurdle.HARD, 50, 0),
        (Hurdle.SOFT, 50, 10),
        (Hurdle.SOFT, 49, 0),
        (Hurdle.INVESTOR_FLOOR, 55, 5),
        (Hurdle.INVESTOR_FLOOR, 50, 0),
        (Hurdle.INVESTOR_FLOOR, 100, 20),
        (Hurdle.INVESTOR_FLOOR, 10, 0),
    ],
)
def test_hurdles(kind: Hurdle, gain: int, fee: int) -> None:
    assert fee_on_gain(gain, D("0.2"), kind, 50) == fee


@given(st.integers(-1000, 1000), st.integers(0, 500), st.sampled_from(Hurdle))
def test_a_hurdle_never_raises_the_fee(gain: int, hurdle: int, kind: Hurdle) -> None:
    fee = fee_on_gain(gain, D("0.3"), kind, hurdle)
    assert 0 <= fee <= fee_on_gain(gain, D("0.3"))
    if kind is Hurdle.INVESTOR_FLOOR and gain >= hurdle:
        assert gain - fee >= hurdle


def test_a_hurdle_is_pro_rata_by_days_and_resets_at_crystallisation() -> None:
    assert hurdle_amount(1000, D("0.0365"), 10) == 1
    plan = PerformancePlan(rate=D("0.5"), hurdle_kind=Hurdle.HARD, hurdle=D("0.365"))
    account = FeeAccount.opened(plan, 1000).traded(110, days=100)
    charged, charge = account.crystallised()
    assert charge.performance == D("5.00")
    assert charged.days == 0


def test_negative_equity_bears_no_fee() -> None:
    assert performance_fee(-10, -100, D("0.5")) == 0


def test_a_rate_outside_its_bounds_is_refused() -> None:
    with pytest.raises(InputError):
        fee_on_gain(1, D("1.2"))


# --- bases and loss carry


def test_bases_count_floating_results_differently() -> None:
    assert result_total(500, -200) == 300
    assert result_total(500, -200, Base.REALISED) == 500
    assert result_total(500, 200, Base.REALISED_WITH_FLOATING_LOSS) == 500
    assert result_total(500, -200, Base.REALISED_WITH_FLOATING_LOSS) == 300
    assert result_total(500, 0, trade_fees=25) == 475


@given(st.lists(st.integers(-100, 100), max_size=15))
def test_a_perpetual_loss_carry_is_a_high_water_mark(results: list[int]) -> None:
    total, peak = 0, 0
    expected = []
    for result in results:
        total += result
        expected.append(max(total - peak, 0))
        peak = max(peak, total)
    assert chargeable_gains(results) == expected


@given(st.lists(st.integers(-100, 100), max_size=15), st.integers(1, 4))
def test_a_shorter_look_back_never_charges_less_and_never_more_than_the_gain(
    results: list[int], lookback: int
) -> None:
    short, long = chargeable_gains(results, lookback), chargeable_gains(results, lookback + 1)
    assert sum(short) >= sum(long)
    for charged, result in zip(short, results, strict=True):
        assert 0 <= charged <= max(result, 0)


def test_a_loss_offsets_the_next_two_periods_and_then_expires() -> None:
    assert chargeable_gains([-100, 20, 30, 40, -5, 10], 2) == [0, 0, 0, 40, 0, 5]


def test_a_look_back_is_at_least_one_period() -> None:
    with pytest.raises(InputError):
        LossCarry(0)


# --- management


def test_a_day_below_zero_counts_nothing_and_rounding_happens_once() -> None:
    assert management_fee([(-1000, 10), (365, 1)], D("0.01")) == D("0.01")
    daily = [(D("100.10"), 1)] * 31
    assert management_fee(daily, D("0.02")) == D("0.17")


def test_bases_and_day_counts() -> None:
    runs = [(100_000, 10), (150_000, 21)]
    assert management_fee(runs, D("0.02"), base=EquityBase.OPENING) == D("169.86")
    assert management_fee(runs, D("0.02"), convention=DayCount.ACT_360) == D("230.56")
    assert flat_fee(1000, 1, DayCount.BUSINESS_252) == D("3.97")
    with pytest.raises(InputError):
        management_fee([], D("0.02"))
    with pytest.raises(InputError):
        management_fee([(1, 0)], D("0.02"))


def test_days_are_those_of_attach_to_detach_inside_the_period() -> None:
    start, end = date(2026, 1, 1), date(2026, 2, 1)
    assert accrual_days(start, end, date(2025, 6, 1)) == 31
    assert accrual_days(start, end, date(2026, 1, 10), date(2026, 1, 27)) == 17
    assert accrual_days(start, end, date(2026, 3, 1)) == 0
    assert days_30_360(date(2026, 1, 31), date(2026, 2, 28)) == 28
    assert days_30_360(date(2026, 1, 1), date(2027, 1, 1)) == 360


# --- commission, sharing, collection


def test_commissions() -> None:
    assert per_lot(D("0.37"), 7) == D("2.59")
    assert per_million(D("0.37"), 100_000, D("1.2741"), 10, sides=2) == D("0.94")


@given(
    st.integers(-(10**9), 10**9),
    st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(lambda parts: sum(parts) <= 100),
    st.sampled_from(Sharing),
    st.sampled_from([0, 2, 3]),
)
def test_shares_sum_to_the_amount_to_the_last_unit(
    minor: int, percents: list[int], mode: Sharing, digits: int
) -> None:
    amount = from_minor(minor, digits)
    parts = share(amount, percents, mode, digits)
    assert sum(parts) == amount
    mirrored = share(-amount, percents, mode, digits)
    assert mirrored == [-part for part in parts]
    assert all(part * (1 if minor >= 0 else -1) >= 0 for part in parts)


def test_cascade_shares_what_is_left() -> None:
    assert share(D("100.00"), [50, 50, 0], Sharing.CASCADE) == [D("50.00"), D("25.00"), D("25.00")]
    assert share(D("100"), [33, 33, 34], digits=0) == [D(33), D(33), D(34)]


def test_shares_over_a_hundred_are_refused() -> None:
    for bad in ([60, 60], [], [-1, 50]):
        with pytest.raises(InputError):
            share(D(1), bad)


amounts = st.integers(0, 10**7)


@given(amounts, st.integers(-(10**6), 10**7), st.integers(-(10**6), 10**7), amounts)
def test_what_is_taken_and_what_is_owed_make_what_was_due(
    due: int, balance: int, equity: int, used: int
) -> None:
    money: Any = [from_minor(value) for value in (due, balance, equity, used)]
    taken = collect(*money)
    assert taken.collected + taken.receivable == money[0]
    assert taken.collected >= 0
    assert taken.receivable >= 0
    if taken.collected:
        assert taken.equity_after >= money[3]
        assert taken.collected <= money[1]


@given(st.lists(st.integers(0, 1000), max_size=6), st.integers(0, 100))
def test_receivables_are_paid_oldest_first_and_never_twice(dues: list[int], percent: int) -> None:
    owed = [from_minor(due) for due in dues]
    collected = from_minor(sum(dues) * percent // 100)
    paid = apply_to_oldest(collected, owed)
    assert sum(paid) == collected
    assert all(part <= due for part, due in zip(paid, owed, strict=True))
    open_ = [due - part for part, due in zip(paid, owed, strict=True)]
    first = next((i for i, left in enumerate(open_) if left), len(open_))
    assert all(part == 0 for part in paid[first + 1 :])


def test_more_than_is_owed_is_never_applied() -> None:
    with pytest.raises(InputError):
        apply_to_oldest(D(2), [D(1)])
