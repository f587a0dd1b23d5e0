"""Generated books: requests of any conserving or derived rule, with limits that bite."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from apps.core.allocation import (
    NO_CAP,
    NO_MANUAL,
    AllocationRequest,
    Carry,
    Reason,
    Rule,
)
from apps.core.ints import Int64Array, int64

CONSERVING = ["balance", "equity", "equal", "percent", "lot_weights", "equity_percent_share"]
DERIVED = [
    "lot_fixed",
    "ratio",
    "ratio_equity",
    "ratio_balance",
    "equity_percent",
    "risk_percent",
]
VECTORS = (
    "account_ids",
    "equity",
    "balance",
    "parameter",
    "preset_steps",
    "unit_cost",
    "exclusion",
    "cap_steps",
    "cap_reason",
    "manual_steps",
)


@st.composite
def rules(draw: st.DrawFn, /, methods: list[str], **fixed: Any) -> Rule:
    options: dict[str, Any] = {
        "method": draw(st.sampled_from(methods)),
        "residual_policy": draw(
            st.sampled_from(["largest_remainder", "largest_weight_first", "round_robin"])
        ),
        "below_min": draw(st.sampled_from(["skip", "skip_redistribute", "bump_to_min"])),
        "cap_policy": draw(st.sampled_from(["clip", "clip_redistribute"])),
        "rounding": draw(st.sampled_from(["down", "nearest_half_up"])),
        "manual_policy": "replace",
        "carry_forward": draw(st.booleans()),
    }
    return Rule(**{**options, **fixed})


@st.composite
def requests(
    draw: st.DrawFn,
    /,
    methods: list[str] | None = None,
    *,
    limits: bool = True,
    manual: bool = True,
    excluded: bool = True,
    **fixed: Any,
) -> AllocationRequest:
    """A request with up to 9 accounts; every vector its method might read is there."""
    size = draw(st.integers(1, 9))

    def vector(elements: st.SearchStrategy[int]) -> Int64Array:
        return int64(draw(st.lists(elements, min_size=size, max_size=size)))

    money = st.one_of(st.integers(1, 9), st.integers(1, 10**8))
    if excluded:
        money = st.one_of(money, st.integers(-5, 0))
    ids = draw(st.lists(st.integers(1, 99), min_size=size, max_size=size, unique=True))
    caps = st.one_of(st.just(NO_CAP), st.integers(0, 60))
    reasons = st.sampled_from([int(Reason.CAP_MARGIN), int(Reason.CAP_OPEN_LOTS)])
    outs = st.sampled_from([0, 0, 0, int(Reason.PAUSED), int(Reason.DETACHED)])
    by_hand = st.one_of(st.just(NO_MANUAL), st.just(NO_MANUAL), st.integers(0, 40))
    percent = st.integers(1, 40) | st.just(0) if excluded else st.integers(1, 40)
    carry = Carry(vector(st.integers(-30, 30)), draw(st.integers(1, 40)))
    return AllocationRequest(
        rule=draw(rules(methods or CONSERVING + DERIVED, **fixed)),
        volume_steps=draw(st.integers(0, 200)),
        account_ids=int64(ids),
        equity=vector(money),
        balance=vector(money),
        parameter=vector(percent) * 1_000_000,
        preset_steps=vector(st.integers(0, 30) if excluded else st.integers(1, 30)),
        unit_cost=vector(st.integers(1, 10**6)),
        master_money=draw(st.integers(1, 10**8)),
        min_steps=draw(st.integers(1, 12)) if limits else 1,
        cap_steps=vector(caps) if limits else None,
        cap_reason=vector(reasons).astype(np.int8) if limits else None,
        exclusion=vector(outs).astype(np.int8) if excluded else None,
        manual_steps=vector(by_hand) if manual else None,
        carry=carry if draw(st.booleans()) else None,
        round_robin_after=draw(st.none() | st.integers(0, 100)),
    )


def reordered(request: AllocationRequest, order: Int64Array) -> AllocationRequest:
    """The same request with its accounts in another order."""
    moved = {
        name: getattr(request, name)[order]
        for name in VECTORS
        if isinstance(getattr(request, name), np.ndarray)
    }
    carry = None if request.carry is None else request.carry.take(order)
    return replace(request, **moved, carry=carry)


def block(rule: dict[str, Any], volume: int, **vectors: Any) -> AllocationRequest:
    """A request of accounts 1 … n; lists become int64 vectors."""
    converted: dict[str, Any] = {
        name: int64(value) if isinstance(value, list) else value for name, value in vectors.items()
    }
    size = next(v.size for v in converted.values() if isinstance(v, np.ndarray))
    ids = converted.pop("account_ids", np.arange(1, size + 1))
    return AllocationRequest(rule=Rule(**rule), volume_steps=volume, account_ids=ids, **converted)
