"""Allocation: what must hold for every rule, and the options one by one."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.allocation import (
    AllocationRequest,
    BelowMin,
    CapPolicy,
    Carry,
    Method,
    Reason,
    ResidualPolicy,
    Rule,
    allocate,
)
from apps.core.errors import InputError
from apps.core.ints import int64
from tests.core.books import CONSERVING, DERIVED, block, reordered, requests

# --- what holds for every rule


@given(requests())
def test_no_share_is_negative_above_its_cap_or_below_the_minimum(
    request_: AllocationRequest,
) -> None:
    result = allocate(request_)
    assert (result.steps >= 0).all()
    assert request_.cap_steps is not None
    assert (result.steps <= request_.cap_steps).all()
    assert ((result.steps == 0) | (result.steps >= request_.min_steps)).all()


@given(requests())
def test_the_result_adds_up_and_every_zero_has_a_reason(request_: AllocationRequest) -> None:
    result = allocate(request_)
    assert result.block_steps == sum(result.steps.tolist())
    assert result.residual_steps == request_.volume_steps - result.block_steps
    for row in result.rows():
        if row.reason is Reason.ALLOCATED:
            assert row.steps == row.rounded_steps
        if row.steps == 0 and row.requested > 0:
            assert row.reason is not Reason.ALLOCATED
        if row.reason.excludes:
            assert row.steps == 0


@given(requests(), st.randoms(use_true_random=False))
def test_the_order_of_the_accounts_changes_nothing(
    request_: AllocationRequest, random: Any
) -> None:
    order = list(range(request_.account_ids.size))
    random.shuffle(order)
    positions = int64(order)
    result, other = allocate(request_), allocate(reordered(request_, positions))
    assert other.steps.tolist() == result.steps[positions].tolist()
    assert other.reasons.tolist() == result.reasons[positions].tolist()
    assert other.round_robin_after == result.round_robin_after
    if result.carry is not None:
        assert other.carry is not None
        assert other.carry.numerators.tolist() == result.carry.numerators[positions].tolist()


@given(requests(["balance", "equity", "ratio_equity", "equity_percent"]), st.integers(2, 10**6))
def test_scaling_all_money_changes_nothing(request_: AllocationRequest, factor: int) -> None:
    assert request_.equity is not None
    assert request_.balance is not None
    assert request_.unit_cost is not None
    assert request_.master_money is not None
    scaled = replace(
        request_,
        equity=request_.equity * factor,
        balance=request_.balance * factor,
        unit_cost=request_.unit_cost * factor,
        master_money=request_.master_money * factor,
    )
    once, again = allocate(request_), allocate(scaled)
    assert once.steps.tolist() == again.steps.tolist()
    assert once.reasons.tolist() == again.reasons.tolist()


@given(requests(CONSERVING, manual=False))
def test_a_conserving_block_never_exceeds_its_volume(request_: AllocationRequest) -> None:
    """Percentages above a hundred in sum ask for more than the master's volume themselves."""
    result = allocate(request_)
    volume = request_.volume_steps
    if request_.rule.method is Method.PERCENT:
        assert request_.parameter is not None
        asked = sum(
            percent
            for percent, row in zip(request_.parameter.tolist(), result.rows(), strict=True)
            if not row.reason.excludes
        )
        volume = volume * asked // 100_000_000
    assert result.block_steps <= volume


@given(requests(["balance", "equity", "equal", "lot_weights"], limits=False, manual=False))
def test_without_limits_the_whole_volume_finds_an_owner(request_: AllocationRequest) -> None:
    result = allocate(request_)
    taking_part = any(not row.reason.excludes for row in result.rows())
    assert result.residual_steps == (0 if taking_part else request_.volume_steps)


@given(requests(CONSERVING, limits=False, manual=False, carry_forward=False, below_min="skip"))
def test_without_limits_a_share_is_within_one_step_of_its_quota(
    request_: AllocationRequest,
) -> None:
    """Largest remainder: less than a step. The others may give one to whose quota is whole."""
    by_remainder = request_.rule.residual_policy is ResidualPolicy.LARGEST_REMAINDER
    for row in allocate(request_).rows():
        distance = abs(row.steps - row.requested)
        assert distance < 1 if by_remainder else distance <= 1


@given(requests(DERIVED, limits=False, manual=False, rounding="down", below_min="skip"))
def test_a_derived_share_is_its_quota_rounded_down(request_: AllocationRequest) -> None:
    for row in allocate(request_).rows():
        assert row.steps == row.requested.__floor__()


@given(requests(DERIVED, manual=False))
def test_a_derived_share_depends_on_its_own_account_alone(request_: AllocationRequest) -> None:
    whole = allocate(request_)
    alone = allocate(reordered(request_, int64([0])))
    assert alone.steps[0] == whole.steps[0]


@given(
    requests(["equity"], manual=False, below_min="skip", cap_policy="clip"),
    st.integers(0, 60),
)
def test_one_clients_cap_never_raises_anothers_risk(request_: AllocationRequest, cap: int) -> None:
    assert request_.cap_steps is not None
    tighter = request_.cap_steps.copy()
    tighter[0] = min(int(tighter[0]), cap)
    before, after = allocate(request_), allocate(replace(request_, cap_steps=tighter))
    assert after.steps[1:].tolist() == before.steps[1:].tolist()


@given(requests(["equity", "balance"], manual=False, residual_policy="largest_remainder"))
def test_redistribution_leaves_a_residual_only_when_nobody_can_take_it(
    request_: AllocationRequest,
) -> None:
    rule = replace(
        request_.rule,
        cap_policy=CapPolicy.CLIP_REDISTRIBUTE,
        below_min=BelowMin.SKIP_REDISTRIBUTE,
    )
    result = allocate(replace(request_, rule=rule, min_steps=1))
    assert request_.cap_steps is not None
    if result.residual_steps > 0:
        for row, cap in zip(result.rows(), request_.cap_steps.tolist(), strict=True):
            assert row.steps == cap or row.reason.excludes or row.steps == 0


@given(requests(["equity"], manual=False, excluded=False))
def test_bumping_gives_everybody_the_minimum_or_nothing(request_: AllocationRequest) -> None:
    rule = replace(request_.rule, below_min=BelowMin.BUMP_TO_MIN, cap_policy=CapPolicy.CLIP)
    free = replace(request_, rule=rule, cap_steps=None, cap_reason=None)
    result = allocate(free)
    size = request_.account_ids.size
    affordable = min(size, request_.volume_steps // request_.min_steps)
    assert int((result.steps > 0).sum()) == affordable
    assert result.residual_steps == (0 if affordable else request_.volume_steps)


# --- carry-forward


def test_ten_thousand_blocks_stay_within_a_step_with_carry_and_drift_without() -> None:
    generator = np.random.default_rng(3)
    size, blocks = 40, 10_000
    money = generator.integers(100_000, 50_000_000, size)
    carry, worst = None, Fraction(0)
    without, quota = np.zeros(size), np.zeros(size)
    for _ in range(blocks):
        money = np.maximum(money + generator.integers(-300_000, 300_001, size), 50_000)
        volume = int(generator.integers(1, 4 * size))
        request = block({}, volume, equity=money, carry=carry)
        carry = allocate(request).carry
        assert carry is not None
        worst = max(worst, Fraction(int(np.abs(carry.numerators).max()), carry.denominator))
        plain = allocate(replace(request, rule=Rule(carry_forward=False), carry=None))
        without += plain.steps
        quota += volume * money / money.sum()
    assert worst < Fraction(3, 2)
    assert np.abs(without - quota).max() > 10


def test_accounts_that_come_and_go_leave_no_carry_above_a_step_and_a_half() -> None:
    generator = np.random.default_rng(5)
    ids, carry, following = np.arange(1, 21), Carry.zero(20), 21
    for _ in range(1500):
        if generator.random() < 0.1 and ids.size > 3:
            kept = np.delete(np.arange(ids.size), int(generator.integers(ids.size)))
            ids, carry = ids[kept], carry.take(kept)
        if generator.random() < 0.1:
            ids, carry, following = np.append(ids, following), carry.with_new(1), following + 1
        money = np.exp(generator.normal(12, 2, ids.size)).astype(np.int64) + 1
        result = allocate(
            block(
                {},
                int(generator.integers(1, 60)),
                equity=money,
                account_ids=ids,
                carry=carry,
            )
        )
        assert result.carry is not None
        carry = result.carry
        assert (2 * np.abs(carry.numerators) < 3 * carry.denominator).all()


def test_carry_measures_rounding_alone_so_a_skipped_account_saves_up_no_surprise() -> None:
    carry = None
    for _ in range(50):
        request = block({}, 10, equity=[900, 90, 10], min_steps=5, carry=carry)
        result = allocate(request)
        carry = result.carry
        assert carry is not None
        assert (np.abs(carry.numerators) <= carry.denominator).all()
        assert result.steps[2] == 0


def test_a_paused_account_keeps_its_carry_and_a_new_one_starts_at_zero() -> None:
    first = allocate(block({}, 10, equity=[5, 5, 5]))
    assert first.carry is not None
    joined = first.carry.with_new(1)
    paused = allocate(
        block(
            {},
            10,
            equity=[5, 5, 5, 5],
            exclusion=np.array([0, Reason.PAUSED, 0, 0], dtype=np.int8),
            carry=joined,
        )
    )
    assert paused.carry is not None
    kept = Fraction(int(paused.carry.numerators[1]), paused.carry.denominator)
    assert kept == Fraction(1, 3)
    assert paused.steps[1] == 0


@given(requests(["equity"], manual=False, residual_policy="largest_remainder"))
def test_the_carry_is_quotas_minus_shares_before_minimum_and_caps(
    request_: AllocationRequest,
) -> None:
    request_ = replace(request_, rule=replace(request_.rule, carry_forward=True))
    result = allocate(request_)
    before = request_.carry or Carry.zero(request_.account_ids.size)
    after = result.carry or Carry.zero(request_.account_ids.size)
    for index, row in enumerate(result.rows()):
        old = Fraction(int(before.numerators[index]), before.denominator)
        new = Fraction(int(after.numerators[index]), after.denominator)
        assert abs(new - (old + row.requested - row.rounded_steps)) <= Fraction(1, 1 << 20)


# --- methods


def test_percent_below_a_hundred_leaves_the_rest_unallocated() -> None:
    result = allocate(block({"method": "percent"}, 100, parameter=[33_300_000, 33_300_000]))
    assert result.steps.tolist() == [33, 33]
    assert result.residual_steps == 34


def test_percent_of_a_paused_account_goes_to_nobody() -> None:
    result = allocate(
        block(
            {"method": "percent"},
            100,
            parameter=[40_000_000, 30_000_000, 30_000_000],
            exclusion=np.array([Reason.PAUSED, 0, 0], dtype=np.int8),
        )
    )
    assert result.steps.tolist() == [0, 30, 30]


@pytest.mark.parametrize(
    ("method", "vectors", "expected"),
    [
        ("ratio", {"parameter": [1_500_000, 333_333]}, [150, 33]),
        ("ratio_equity", {"equity": [2_000, 500], "master_money": 8_000}, [25, 6]),
        (
            "ratio_balance",
            {"balance": [2_000, 500], "parameter": [2_500_000, 1_000_000], "master_money": 8_000},
            [62, 6],
        ),
        (
            "equity_percent",
            {"equity": [1_000_000, 2_000_000], "parameter": [10_000_000] * 2, "unit_cost": 1_100},
            [90, 181],
        ),
        (
            "risk_percent",
            {"equity": [100_000, 50_000], "parameter": [2_000_000, 1_000_000], "unit_cost": 500},
            [4, 1],
        ),
        ("lot_fixed", {"preset_steps": [300, 7]}, [300, 7]),
    ],
)
def test_derived_methods(method: str, vectors: dict[str, Any], expected: list[int]) -> None:
    assert allocate(block({"method": method}, 100, **vectors)).steps.tolist() == expected


@pytest.mark.parametrize("method", sorted({*CONSERVING, *DERIVED} - {"equal", "ratio"}))
def test_a_missing_input_is_named(method: str) -> None:
    request = AllocationRequest(
        rule=Rule(method=Method(method)), volume_steps=10, account_ids=int64([1, 2])
    )
    with pytest.raises(InputError) as caught:
        allocate(request)
    assert caught.value.code == "missing_input"
    assert caught.value.details["field"]


def test_risk_percent_with_the_stop_at_the_entry_is_refused() -> None:
    request = block({"method": "risk_percent"}, 0, equity=[100], parameter=[1_000_000], unit_cost=0)
    with pytest.raises(InputError, match="stop") as caught:
        allocate(request)
    assert caught.value.code == "bad_unit_cost"


def test_nobody_with_equity_gets_nothing_and_says_why() -> None:
    result = allocate(block({}, 100, equity=[0, -50]))
    assert result.steps.tolist() == [0, 0]
    assert result.residual_steps == 100
    assert result.reasons.tolist() == [Reason.NO_EQUITY, Reason.NO_EQUITY]


def test_products_past_int64_are_exact_for_derived_methods() -> None:
    equity = [(1 << 61) + 12_345]
    result = allocate(
        block({"method": "ratio_equity"}, 1000, equity=equity, master_money=(1 << 60) + 7)
    )
    assert result.steps.tolist() == [1000 * equity[0] // ((1 << 60) + 7)]
