"""Money and lots at the edges: one rounding, exact steps, no floats."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import InputError
from apps.core.ints import exact_sum, half_up_div, int64, max_abs, scale_half_up
from apps.core.lots import lots_of, steps_down, steps_nearest, steps_of
from apps.core.money import (
    digits_of,
    exact,
    floor_money,
    from_minor,
    round_half_even,
    round_money,
    to_minor,
)

decimals = st.decimals(-(10**12), 10**12, allow_nan=False, places=6)


@given(decimals, st.sampled_from([0, 2, 3]))
def test_rounding_is_decimals_half_up(value: Decimal, digits: int) -> None:
    with localcontext() as context:
        context.prec = 60
        quantum = Decimal(1).scaleb(-digits)
        assert round_money(value, digits) == value.quantize(quantum, rounding=ROUND_HALF_UP)
        assert round_half_even(value, digits) == value.quantize(quantum)


@given(decimals)
def test_floor_is_towards_zero_so_that_a_correction_mirrors(value: Decimal) -> None:
    assert floor_money(-value) == -floor_money(value)
    assert abs(floor_money(value)) <= abs(value) < abs(floor_money(value)) + Decimal("0.01")


@given(st.integers(-(10**30), 10**30), st.sampled_from([0, 2, 3]))
def test_minor_units_there_and_back_at_any_size(minor: int, digits: int) -> None:
    assert to_minor(from_minor(minor, digits), digits) == minor


def test_what_cannot_be_exact_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        to_minor(Decimal("1.005"))
    assert caught.value.code == "too_many_decimals"
    with pytest.raises(TypeError):
        exact(1.5)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        exact("abc")
    with pytest.raises(InputError) as caught:
        steps_of(Decimal("0.015"), Decimal("0.01"))
    assert caught.value.code == "not_a_multiple_of_step"
    with pytest.raises(InputError):
        steps_of(1, 0)


def test_digits_by_currency() -> None:
    assert [digits_of(code) for code in ("USD", "jpy", "KWD")] == [2, 0, 3]


@given(st.integers(0, 10**9), st.sampled_from(["0.01", "0.1", "1", "0.001"]))
def test_lots_there_and_back(steps: int, step: str) -> None:
    lots = lots_of(steps, Decimal(step))
    assert steps_of(lots, Decimal(step)) == steps
    assert steps_down(lots + Decimal(step) / 2, Decimal(step)) == steps
    assert steps_nearest(lots + Decimal(step) / 2, Decimal(step)) == steps + 1


@given(
    st.lists(st.integers(-(1 << 62), 1 << 62), max_size=6),
    st.integers(-(1 << 40), 1 << 40),
    st.integers(1, 1 << 40),
)
def test_vector_scaling_is_scalar_scaling_on_both_sides_of_the_guard(
    values: list[int], numerator: int, denominator: int
) -> None:
    expected = [half_up_div(value * numerator, denominator) for value in values]
    if any(abs(value) >= 1 << 63 for value in expected):
        with pytest.raises(OverflowError):
            scale_half_up(int64(values), numerator, denominator)
    else:
        assert scale_half_up(int64(values), numerator, denominator).tolist() == expected


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_half_up_division_is_the_fraction_rounded(numerator: int, denominator: int) -> None:
    value = Fraction(numerator, denominator)
    rounded = half_up_div(numerator, denominator)
    assert abs(rounded - value) <= Fraction(1, 2)
    if abs(rounded - value) == Fraction(1, 2):
        assert abs(rounded) > abs(value)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), max_size=20))
def test_sums_and_sizes_do_not_wrap(values: list[int]) -> None:
    vector = int64(values)
    assert exact_sum(vector) == sum(values)
    assert max_abs(vector) == max(map(abs, values), default=0)
