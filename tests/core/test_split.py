"""Dividing by weights: the vector form is the definition, on both sides of the int64 guard."""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.allocation import split
from apps.core.allocation.split import CARRY_GRID, CARRY_LIMIT, Carry, largest_remainder
from apps.core.ints import int64
from tests.core import oracles

weights_lists = st.lists(
    st.one_of(st.integers(1, 9), st.integers(1, 10**9)), min_size=1, max_size=12
)
carries = st.integers(-40, 40)


def ids_for(weights: list[int], seed: int) -> list[int]:
    """Distinct ids in no particular order."""
    return [int(value) for value in np.random.default_rng(seed).permutation(len(weights) * 3)][
        : len(weights)
    ]


@given(weights_lists, st.integers(0, 200), st.integers(0, 99))
def test_without_carry_it_is_hamiltons_method(weights: list[int], volume: int, seed: int) -> None:
    ids = ids_for(weights, seed)
    result = largest_remainder(int64(weights), int64(ids), volume)
    assert result.shares.tolist() == oracles.hamilton(weights, ids, volume)
    assert result.shares.sum() == volume


@given(weights_lists, st.integers(0, 60), st.integers(0, 99))
def test_zero_carries_are_no_carry(weights: list[int], volume: int, seed: int) -> None:
    ids = int64(ids_for(weights, seed))
    with_carry = largest_remainder(int64(weights), ids, volume, Carry.zero(len(weights)))
    without = largest_remainder(int64(weights), ids, volume)
    assert with_carry.shares.tolist() == without.shares.tolist()


@given(st.data(), weights_lists, st.integers(0, 60), st.integers(1, 60))
def test_any_carry_gives_what_one_step_at_a_time_gives(
    data: st.DataObject, weights: list[int], volume: int, denominator: int
) -> None:
    ids = ids_for(weights, volume)
    numerators = data.draw(st.lists(carries, min_size=len(weights), max_size=len(weights)))
    carry = Carry(int64(numerators), denominator)
    result = largest_remainder(int64(weights), int64(ids), volume, carry)
    exact = [Fraction(value, denominator) for value in numerators]
    shares, left = oracles.one_step_at_a_time(weights, ids, volume, exact)
    if result.carry is not None and result.carry.denominator != CARRY_GRID:
        assert result.shares.tolist() == shares
        assert [
            Fraction(value, result.carry.denominator) for value in result.carry.numerators.tolist()
        ] == left
    else:
        assert sum(result.shares.tolist()) == volume


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), min_size=1, max_size=10),
    st.integers(1, 6),
)
def test_a_sequence_of_changing_weights_is_exact_while_denominators_fit(
    blocks: list[tuple[int, int]], size: int
) -> None:
    ids = list(range(size))
    carry, exact = Carry.zero(size), [Fraction(0)] * size
    for seed, volume in blocks:
        weights = [1 + (seed * (index + 1)) % 7 for index in range(size)]
        result = largest_remainder(int64(weights), int64(ids), volume, carry)
        shares, exact = oracles.one_step_at_a_time(weights, ids, volume, exact)
        assert result.carry is not None
        if result.carry.denominator == CARRY_GRID:
            return
        carry = result.carry
        assert result.shares.tolist() == shares


@given(st.data(), st.integers(2, 8), st.integers(0, 50))
def test_on_the_grid_the_decision_is_exact_and_the_carry_the_nearest_multiple(
    data: st.DataObject, size: int, volume: int
) -> None:
    big = st.integers(1 << 36, 1 << 38)
    weights = data.draw(st.lists(big, min_size=size, max_size=size))
    ids = list(range(size))
    numerators = data.draw(
        st.lists(st.integers(-CARRY_GRID, CARRY_GRID), min_size=size, max_size=size)
    )
    result = largest_remainder(
        int64(weights), int64(ids), volume, Carry(int64(numerators), CARRY_GRID)
    )
    exact = [Fraction(value, CARRY_GRID) for value in numerators]
    shares, left = oracles.one_step_at_a_time(weights, ids, volume, exact)
    assert result.shares.tolist() == shares
    assert result.carry is not None
    if result.carry.denominator == CARRY_GRID:
        for value, true in zip(result.carry.numerators.tolist(), left, strict=True):
            assert abs(Fraction(value, CARRY_GRID) - true) <= Fraction(1, 2 * CARRY_GRID)


@given(st.data(), st.integers(1, 8), st.integers(0, 2000), st.sampled_from([40, 50, 55, 60]))
def test_both_sides_of_the_int64_guard_agree(
    data: st.DataObject, size: int, volume: int, bits: int
) -> None:
    near = st.integers((1 << bits) - 50, (1 << bits) + 50) | st.integers(1, 1 << bits)
    weights = data.draw(st.lists(near, min_size=size, max_size=size))
    ids = list(range(size))
    result = largest_remainder(int64(weights), int64(ids), volume)
    assert result.shares.tolist() == oracles.hamilton(weights, ids, volume)
    carried = largest_remainder(int64(weights), int64(ids), volume, Carry.zero(size))
    assert carried.shares.tolist() == result.shares.tolist()


@pytest.mark.parametrize("volume", [1 << 22, (1 << 22) - 1, 1 << 23, 1 << 24])
def test_a_product_just_past_int64_does_not_wrap(volume: int) -> None:
    weights = [(1 << 40) + 7, (1 << 40) - 5, 3]
    result = largest_remainder(int64(weights), int64([1, 2, 3]), volume)
    assert result.shares.tolist() == oracles.hamilton(weights, [1, 2, 3], volume)


@given(st.data(), st.integers(1, 9), st.integers(0, 60), st.sampled_from([3, 20, 45]))
def test_the_python_form_equals_the_vector_form(
    data: st.DataObject, size: int, volume: int, bits: int
) -> None:
    """Carries far outside one step included: they come from weights that were wildly different."""
    weights = data.draw(st.lists(st.integers(1, 1 << bits), min_size=size, max_size=size))
    values = st.integers(-3 * CARRY_GRID, 3 * CARRY_GRID)
    numerators = data.draw(st.lists(values, min_size=size, max_size=size))
    ids, carry = int64(ids_for(weights, volume)), Carry(int64(numerators), CARRY_GRID)
    result = largest_remainder(int64(weights), ids, volume, carry)
    reduced = split._reduced(int64(weights))
    common = lcm(CARRY_GRID, sum(reduced.tolist()))
    plain, left = split._split_python(reduced, ids, volume, carry, common)
    assert plain.tolist() == result.shares.tolist()
    assert result.carry is not None
    scale = result.carry.denominator
    assert result.carry.numerators.tolist() == [
        (2 * value * scale + common) // (2 * common) for value in left
    ]


@given(st.data(), st.integers(0, 30))
def test_the_second_word_of_a_fraction_decides_what_the_grid_cannot(
    data: st.DataObject, volume: int
) -> None:
    """Weights so near each other that their quotas agree to 2**-20 of a step."""
    near = st.integers((1 << 44), (1 << 44) + 3)
    weights = data.draw(st.lists(near, min_size=4, max_size=4))
    ids = [3, 1, 2, 0]
    result = largest_remainder(int64(weights), int64(ids), volume, Carry.zero(4))
    assert result.shares.tolist() == oracles.hamilton(weights, ids, volume)


@given(weights_lists, st.integers(1, 60), st.integers(2, 1000), st.integers(1, 30))
def test_scaling_all_weights_changes_nothing_not_even_the_carry(
    weights: list[int], volume: int, factor: int, denominator: int
) -> None:
    ids = int64(range(len(weights)))
    carry = Carry(int64([index % denominator for index in range(len(weights))]), denominator)
    once = largest_remainder(int64(weights), ids, volume, carry)
    scaled = largest_remainder(int64(weights) * factor, ids, volume, carry)
    assert once.shares.tolist() == scaled.shares.tolist()
    assert once.carry is not None
    assert scaled.carry is not None
    assert once.carry.denominator == scaled.carry.denominator
    assert once.carry.numerators.tolist() == scaled.carry.numerators.tolist()


def test_the_naive_floor_of_quota_plus_carry_would_over_allocate() -> None:
    """Four accounts each owed 0.75: floor(quota + carry) hands out more than there is."""
    carry = Carry(int64([3, 3, 3, -9]), 4)
    result = largest_remainder(int64([1, 1, 1, 1]), int64([1, 2, 3, 4]), 1, carry)
    assert result.shares.tolist() == [1, 0, 0, 0]


def test_a_negative_score_gives_nothing_rather_than_a_negative_share() -> None:
    carry = Carry(int64([-30, 10, 10, 10]), 10)
    result = largest_remainder(int64([1, 1, 1, 1]), int64([1, 2, 3, 4]), 4, carry)
    assert result.shares.tolist() == [0, 2, 1, 1]


@given(st.integers(-(1 << 50), 1 << 50), st.integers(1, 1 << 45), st.integers(1, 1 << 45))
def test_a_carry_over_another_denominator_is_the_nearest(value: int, old: int, new: int) -> None:
    exact = Fraction(value, old)
    numerators = value * new / old
    if abs(numerators) > 2**62:
        return
    moved = Carry(int64([value]), old).over(new)[0]
    assert abs(Fraction(int(moved), new) - exact) <= Fraction(1, 2 * new)


def test_the_carry_limit_is_what_the_docstring_says() -> None:
    ids = int64([1, 2])
    small = largest_remainder(int64([CARRY_LIMIT - 2, 1]), ids, 1, Carry.zero(2))
    large = largest_remainder(int64([CARRY_LIMIT, 1]), ids, 1, Carry.zero(2))
    assert small.carry is not None
    assert large.carry is not None
    assert (small.carry.denominator, large.carry.denominator) == (CARRY_LIMIT - 1, CARRY_GRID)
