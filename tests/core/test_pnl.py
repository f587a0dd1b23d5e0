"""P/L in minor units: the vector is the scalar, exact on both sides of int64, rounded once."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import InputError
from apps.core.ints import int64, max_abs
from apps.core.pnl import SymbolTerms, convert_minor, pnl_minor, pnl_one

FX = SymbolTerms(Decimal(100_000), Decimal("0.01"), 5)
rates = st.decimals(Decimal("0.00001"), 400, places=9).filter(lambda rate: rate > 0)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.integers(1, 10**7), st.sampled_from([1, -1])),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 10**7),
    rates,
    st.sampled_from([0, 2, 3]),
)
def test_the_vector_form_is_the_scalar_form(
    rows: list[tuple[int, int, int]], close: int, rate: Decimal, digits: int
) -> None:
    steps, opens, sides = (int64(column) for column in zip(*rows, strict=True))
    vector = pnl_minor(steps, opens, close, sides, FX, rate, digits)
    assert vector.tolist() == [
        pnl_one(step, open_, close, side, FX, rate, digits) for step, open_, side in rows
    ]


@given(st.integers(0, 10**9), st.integers(-(10**9), 10**9), rates)
def test_it_is_the_decimal_formula_rounded_half_away_from_zero(
    steps: int, move: int, rate: Decimal
) -> None:
    with localcontext() as context:
        context.prec = 80
        exact = Decimal(move) * steps * Decimal("0.01") * 100_000 * rate / 10**5 * 100
        expected = int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))
    assert pnl_one(steps, 10**9, 10**9 + move, 1, FX, rate) == expected


@given(st.integers(1, 10**6), st.integers(1, 10**6), st.integers(1, 10**6), rates)
def test_a_sell_is_the_mirror_of_a_buy(steps: int, open_: int, close: int, rate: Decimal) -> None:
    buy = pnl_one(steps, open_, close, 1, FX, rate)
    assert pnl_one(steps, open_, close, -1, FX, rate) == -buy


@pytest.mark.parametrize("steps", [1 << 38, 1 << 40, 1 << 43])
def test_a_product_past_int64_is_exact_and_not_wrapped(steps: int) -> None:
    rate = Decimal("1.23456789")
    vector = pnl_minor(int64([steps, 3]), 100_000, 100_777, 1, FX, rate)
    assert vector.tolist() == [
        pnl_one(steps, 100_000, 100_777, 1, FX, rate),
        pnl_one(3, 100_000, 100_777, 1, FX, rate),
    ]


def test_a_move_times_steps_past_int64_is_exact_too() -> None:
    huge = [1 << 40, 5]
    vector = pnl_minor(int64(huge), 1, 1 << 40, 1, FX, Fraction(1, 10**12))
    assert vector.tolist() == [
        pnl_one(step, 1, 1 << 40, 1, FX, Fraction(1, 10**12)) for step in huge
    ]


def test_halves_go_away_from_zero_in_both_directions() -> None:
    half = SymbolTerms(Decimal(1), Decimal("0.5"), 2)
    assert pnl_minor(int64([1, 1]), 100, int64([101, 99]), 1, half, 1).tolist() == [1, -1]


def test_a_result_past_int64_is_an_error_and_no_number() -> None:
    with pytest.raises(OverflowError):
        pnl_minor(int64([1 << 60]), 1, 1 << 30, 1, FX, 1)


def test_nonsense_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        pnl_minor(int64([1]), 1, 2, 0, FX, 1)
    assert caught.value.code == "bad_side"
    with pytest.raises(InputError) as caught:
        pnl_minor(int64([1]), 1, 2, 1, FX, Decimal(0))
    assert caught.value.code == "bad_rate"
    with pytest.raises(InputError):
        SymbolTerms(Decimal(0), Decimal("0.01"), 5)


@given(st.lists(st.integers(-(1 << 55), 1 << 55), min_size=1, max_size=5), rates)
def test_conversion_between_currencies_keeps_their_digits(
    amounts: list[int], rate: Decimal
) -> None:
    yen = convert_minor(int64(amounts), rate, 2, 0) if max(map(abs, amounts)) < 10**13 else None
    if yen is None:
        return
    for amount, found in zip(amounts, yen.tolist(), strict=True):
        assert abs(found - Fraction(amount) * Fraction(rate) / 100) <= Fraction(1, 2)


@pytest.mark.parametrize("size", [0, 1, 256, 257, 5000])
def test_the_largest_absolute_value_counts_the_least_integer_too(size: int) -> None:
    values = np.full(size, 7, dtype=np.int64)
    assert max_abs(values) == (7 if size else 0)
    if size:
        values[size // 2] = -(2**63)
        assert max_abs(values) == 2**63
        assert max_abs(values[::2]) in (7, 2**63)
