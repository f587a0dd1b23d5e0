"""The options of a rule one by one: residual, limits, lots set by hand, what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.allocation import NO_CAP, NO_MANUAL, Method, Reason, Rule, allocate
from apps.core.errors import InputError, RejectedError
from apps.core.ints import int64
from tests.core import oracles
from tests.core.books import block

# --- residual policies


def test_round_robin_takes_turns_from_block_to_block() -> None:
    after, served = None, []
    for _ in range(4):
        request = block(
            {"residual_policy": "round_robin"}, 10, equity=[5, 5, 5], round_robin_after=after
        )
        result = allocate(request)
        after = result.round_robin_after
        served.append(int(np.argmax(result.steps)) + 1)
    assert served == [1, 2, 3, 1]


def test_the_overflow_account_takes_the_whole_residual_and_must_take_part() -> None:
    rule = {"residual_policy": "overflow_account", "overflow_account_id": 3}
    assert allocate(block(rule, 11, equity=[5, 5, 5])).steps.tolist() == [3, 3, 5]
    with pytest.raises(InputError) as caught:
        allocate(block(rule, 11, equity=[5, 5, 0]))
    assert caught.value.code == "overflow_account_absent"


# --- limits


def test_a_cap_below_the_minimum_sends_nothing_and_says_so() -> None:
    result = allocate(block({}, 100, equity=[50, 50], min_steps=10, cap_steps=[NO_CAP, 7]))
    assert result.steps.tolist() == [50, 0]
    assert result.reasons.tolist() == [Reason.ALLOCATED, Reason.CAP_BELOW_MIN]


def test_redistribution_runs_until_nobody_is_above_a_cap() -> None:
    """What the first cap frees pushes the second account over its own."""
    result = allocate(
        block(
            {"cap_policy": "clip_redistribute"},
            100,
            equity=[50, 30, 20],
            cap_steps=[10, 40, NO_CAP],
        )
    )
    assert result.steps.tolist() == [10, 40, 50]
    assert result.residual_steps == 0


def test_a_cap_at_the_share_is_no_clip() -> None:
    result = allocate(block({}, 100, equity=[50, 50], cap_steps=[50, 49]))
    assert result.steps.tolist() == [50, 49]
    assert result.reasons.tolist() == [Reason.ALLOCATED, Reason.CAP_ACCOUNT]


def test_a_share_at_the_minimum_is_sent() -> None:
    result = allocate(block({}, 100, equity=[90, 10], min_steps=10))
    assert result.steps.tolist() == [90, 10]


# --- lots set by hand


def test_manual_lots_are_clipped_by_risk_limits_too() -> None:
    result = allocate(
        block({}, 100, equity=[50, 50], manual_steps=[NO_MANUAL, 80], cap_steps=[NO_CAP, 60])
    )
    assert result.steps.tolist() == [50, 60]
    assert result.reasons.tolist() == [Reason.ALLOCATED, Reason.CAP_ACCOUNT]


def test_manual_lots_within_the_block_must_fit_it() -> None:
    rule = {"manual_policy": "within_block"}
    with pytest.raises(RejectedError) as caught:
        allocate(block(rule, 10, equity=[5, 5], manual_steps=[11, NO_MANUAL]))
    assert caught.value.code == "manual_exceeds_block"


def test_manual_zero_takes_the_account_out_of_this_block_only() -> None:
    result = allocate(block({}, 10, equity=[5, 5], manual_steps=[0, NO_MANUAL]))
    assert result.steps.tolist() == [0, 5]


# --- the rule and the request


def test_a_rule_survives_json_and_refuses_what_it_does_not_know() -> None:
    rule = Rule(method=Method.PERCENT, carry_forward=False)
    assert Rule.from_dict(rule.as_dict()) == rule
    for bad in ({"method": "biggest"}, {"colour": "blue"}, {"residual_policy": "overflow_account"}):
        with pytest.raises(InputError) as caught:
            Rule.from_dict(bad)
        assert caught.value.code == "bad_rule_option"


def test_reason_codes_are_the_recorded_ones() -> None:
    """Numbers are in journals: this list may grow and never change."""
    assert {reason.name: reason.value for reason in Reason} == {
        "ALLOCATED": 0,
        "RAISED_TO_MIN": 1,
        "MANUAL": 2,
        "REDIVIDED": 3,
        "CAP_ACCOUNT": 10,
        "CAP_OPEN_LOTS": 11,
        "CAP_SYMBOL": 12,
        "CAP_LEVERAGE": 13,
        "CAP_MARGIN": 14,
        "CAP_ORDER": 15,
        "CAP_BELOW_MIN": 19,
        "BELOW_MIN": 20,
        "ROUNDED_TO_ZERO": 21,
        "PAUSED": 30,
        "DETACHED": 31,
        "CLOSE_ONLY": 32,
        "SYMBOL_NOT_ALLOWED": 33,
        "NO_EQUITY": 34,
        "NO_PARAMETER": 35,
        "BLOCKED": 36,
        "NO_RATE": 37,
    }


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"volume_steps": -1}, "negative_volume"),
        ({"account_ids": int64([1, 1])}, "duplicate_account"),
        ({"equity": int64([1, 2, 3])}, "bad_allocation_request"),
        ({"cap_steps": int64([-1, 1])}, "bad_allocation_request"),
        ({"min_steps": 0}, "bad_allocation_request"),
    ],
)
def test_a_malformed_request_is_refused(change: dict[str, Any], code: str) -> None:
    good = block({}, 10, equity=[5, 5])
    with pytest.raises(InputError) as caught:
        replace(good, **change)
    assert caught.value.code == code


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=9), st.integers(0, 500))
def test_equity_with_carry_off_is_hamilton(equity: list[int], volume: int) -> None:
    result = allocate(block({"carry_forward": False}, volume, equity=equity))
    ids = list(range(1, len(equity) + 1))
    assert result.steps.tolist() == oracles.hamilton(equity, ids, volume)
