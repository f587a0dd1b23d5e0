"""Fills and closes in parts: Hamilton with memory, and what a full close leaves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.allocation import apportion, close_percent_each, partial_close
from apps.core.errors import InputError
from apps.core.ints import int64
from tests.core import oracles

targets_lists = st.lists(st.integers(0, 30), min_size=1, max_size=8).filter(any)


@st.composite
def fills(draw: st.DrawFn) -> tuple[list[int], list[int]]:
    """Targets and a growing series of cumulative totals that ends at the whole block."""
    targets = draw(targets_lists)
    whole = sum(targets)
    totals = sorted(draw(st.lists(st.integers(0, whole), max_size=12)))
    return targets, [*totals, whole]


@given(fills())
def test_every_fill_is_what_one_step_at_a_time_gives(case: tuple[list[int], list[int]]) -> None:
    targets, totals = case
    ids = list(range(len(targets), 0, -1))
    given_ = [0] * len(targets)
    for total in totals:
        increments = apportion(int64(targets), int64(given_), total, int64(ids)).tolist()
        assert increments == oracles.with_memory(targets, given_, total, ids)
        given_ = [a + b for a, b in zip(given_, increments, strict=True)]
    assert given_ == targets


@given(fills())
def test_fills_never_take_back_and_stay_near_pro_rata(case: tuple[list[int], list[int]]) -> None:
    targets, totals = case
    ids, whole = np.arange(len(targets)), sum(targets)
    given_ = np.zeros(len(targets), dtype=np.int64)
    for total in totals:
        increments = apportion(int64(targets), given_, total, ids)
        assert (increments >= 0).all()
        given_ = given_ + increments
        assert given_.sum() == total
        deviation = np.abs(given_ * whole - int64(targets) * total)
        assert (2 * deviation < 3 * whole).all()


@given(targets_lists, st.integers(0, 10**6))
def test_the_first_fill_is_hamilton(targets: list[int], seed: int) -> None:
    whole = sum(targets)
    total = seed % (whole + 1)
    ids = list(range(len(targets)))
    first = apportion(int64(targets), np.zeros(len(targets), dtype=np.int64), total, int64(ids))
    assert first.tolist() == oracles.hamilton(targets, ids, total)


@given(fills(), st.randoms(use_true_random=False))
def test_the_order_of_accounts_changes_no_fill(
    case: tuple[list[int], list[int]], random: object
) -> None:
    targets, totals = case
    ids = int64(range(len(targets)))
    order = list(range(len(targets)))
    random.shuffle(order)  # type: ignore[attr-defined]
    turned = int64(order)
    zero = np.zeros(len(targets), dtype=np.int64)
    straight = apportion(int64(targets), zero, totals[0], ids)
    moved = apportion(int64(targets)[turned], zero, totals[0], ids[turned])
    assert moved.tolist() == straight[turned].tolist()


@pytest.mark.parametrize("scale", [1, 1 << 30, 1 << 45])
def test_both_sides_of_the_int64_guard(scale: int) -> None:
    targets = int64([5 * scale + 1, 3 * scale, 2 * scale])
    ids, zero = int64([1, 2, 3]), int64([0, 0, 0])
    total = 7 * scale
    assert apportion(targets, zero, total, ids).tolist() == oracles.hamilton(
        targets.tolist(), [1, 2, 3], total
    )


def test_more_filled_than_the_block_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        apportion(int64([5, 5]), int64([0, 0]), 11, int64([1, 2]))
    assert caught.value.code == "fill_exceeds_block"
    with pytest.raises(InputError) as caught:
        apportion(int64([5, 5]), int64([6, 0]), 7, int64([1, 2]))
    assert caught.value.code == "bad_given"


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=8),
    st.lists(st.integers(1, 99), max_size=6),
    st.integers(1, 12),
)
def test_a_full_close_leaves_exactly_zero_after_any_partial_closes(
    positions: list[int], parts: list[int], minimum: int
) -> None:
    """Fills in parts first, then closes in parts, then the rest: nothing is left anywhere."""
    ids, master = np.arange(len(positions)), 100
    closed = np.zeros(len(positions), dtype=np.int64)
    for done in [*sorted(parts), master]:
        now = partial_close(int64(positions), closed, done, master, ids, minimum)
        assert (now >= 0).all()
        closed = closed + now
        left = int64(positions) - closed
        assert (left >= 0).all()
        touched = now > 0
        assert ((left[touched] == 0) | (left[touched] >= minimum)).all()
    assert closed.tolist() == positions


def test_a_close_after_a_detach_divides_what_is_left() -> None:
    positions, ids = int64([33, 75, 10]), int64([1, 2, 3])
    half = partial_close(positions, int64([0, 0, 0]), 100, 200, ids)
    left = positions - half
    left[1] = 0  # account 2 leaves
    rest = partial_close(left, int64([0, 0, 0]), 100, 100, ids)
    assert (left - rest).tolist() == [0, 0, 0]


@pytest.mark.parametrize(("closed", "master"), [(-1, 10), (11, 10), (0, 0)])
def test_an_impossible_close_is_refused(closed: int, master: int) -> None:
    with pytest.raises(InputError) as caught:
        partial_close(int64([5]), int64([0]), closed, master, int64([1]))
    assert caught.value.code == "bad_close_volume"


@given(st.lists(st.integers(1, 500), min_size=1, max_size=8), st.integers(0, 100))
def test_the_same_percentage_never_closes_in_full_by_a_part(
    positions: list[int], percent: int
) -> None:
    closed = close_percent_each(int64(positions), percent, 100)
    if percent == 100:
        assert closed.tolist() == positions
    else:
        assert (closed < int64(positions)).all()
        assert (closed * 100 <= int64(positions) * percent).all()
