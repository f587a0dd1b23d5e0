"""Whatever happened to an account: the rules of fees hold."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.billing.compute import CashMove, Charge, Mark, Window, charge_for
from apps.core.fees.terms import FeeTerms, Performance, Split
from tests.billing.history import utc

START, END = utc("2026-10-01 00:00"), utc("2026-11-01 00:00")
MINOR = st.integers(-(10**12), 10**12)
RATE = st.integers(0, 1_000_000).map(lambda n: Decimal(n).scaleb(-6))


@st.composite
def windows(draw: st.DrawFn) -> Window:
    balance = equity = draw(st.integers(0, 10**12))
    opening = Mark(START, balance, equity)
    moves, realised = [], 0
    for day in range(draw(st.integers(0, 5))):
        result = draw(st.integers(-equity, 10**11)) if equity > 0 else draw(st.integers(0, 10**11))
        realised, balance, equity = realised + result, balance + result, equity + result
        at = START + timedelta(days=day + 1)
        amount = draw(st.one_of(st.integers(1, 10**11), st.integers(-max(equity, 1), -1)))
        moves.append(CashMove(at, amount, Mark(at, balance, equity)))
        balance, equity = balance + amount, equity + amount
    closing = Mark(END, balance, equity + draw(MINOR))
    hwm = draw(st.one_of(st.none(), st.integers(0, 10**18).map(lambda n: Decimal(n).scaleb(-6))))
    return Window(1, 1, "USD", START, END, opening, closing, tuple(moves), realised, hwm)


def charged(window: Window, rate: Decimal, share: Decimal) -> Charge:
    fees = FeeTerms(performance=Performance(rate=rate), split=Split(manager=share))
    return charge_for(window, 1, fees, manager_id=1)


@settings(max_examples=300, deadline=None)
@given(windows(), RATE, RATE)
def test_fees_are_not_negative_and_split_exactly(
    window: Window, rate: Decimal, share: Decimal
) -> None:
    figures = charged(window, rate, share).figures
    assert figures.fee_minor >= 0
    assert figures.manager_minor >= 0
    assert figures.broker_minor >= 0
    assert figures.manager_minor + figures.broker_minor == figures.fee_minor


@settings(max_examples=300, deadline=None)
@given(windows(), RATE)
def test_the_mark_rises_only_with_a_fee_or_a_deposit_and_falls_only_with_a_withdrawal(
    window: Window, rate: Decimal
) -> None:
    for step in charged(window, rate, Decimal(1)).steps:
        if step.kind == "deposit":
            assert step.after == step.before + step.amount_minor
        elif step.kind == "withdrawal":
            assert 0 <= step.after <= step.before
        else:
            assert step.after >= step.before
            assert step.after == step.before or step.fee_minor > 0


@settings(max_examples=300, deadline=None)
@given(windows(), RATE)
def test_the_statement_adds_up(window: Window, rate: Decimal) -> None:
    f = charged(window, rate, Decimal(1)).figures
    known = f.opening_minor + f.deposits_minor + f.withdrawals_minor + f.realised_minor
    assert known + f.floating_change_minor + f.other_minor == f.equity_minor
    assert f.other_minor == 0  # these histories have nothing else
    assert f.equity_minor - f.fee_minor == f.closing_minor


@settings(max_examples=200, deadline=None)
@given(windows(), RATE)
def test_settling_again_at_the_same_equity_owes_nothing(window: Window, rate: Decimal) -> None:
    first = charged(window, rate, Decimal(1))
    unpaid = first.figures.fee_minor
    mark = Mark(END, window.closing.balance_minor, window.closing.equity_minor, 0, unpaid)
    again = Window(1, 1, "USD", END, END, mark, mark, (), 0, first.hwm_after)
    # what a fee below one minor unit left chargeable is still below one minor unit
    assert charged(again, rate, Decimal(1)).figures.fee_minor == 0
