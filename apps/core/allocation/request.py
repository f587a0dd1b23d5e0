"""What goes into an allocation and what comes out: frozen, aligned vectors of n accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from apps.core.allocation.rule import Method, Reason, Rule
from apps.core.allocation.split import Carry
from apps.core.errors import InputError
from apps.core.ints import Int8Array, Int64Array, int64

PARAMETER_SCALE = 1_000_000
NO_CAP = (1 << 62) - 1
NO_MANUAL = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRequest:
    """All vectors are int64[n] aligned with `account_ids` (distinct, any order).

    rule: method and options. volume_steps: the master's order in steps of the symbol (for RATIO*
    the master lots the ratio applies to; derived methods that need no volume may pass 0).

    What the methods read:
      equity, balance: minor units of one common currency (EQUITY, RATIO_EQUITY, EQUITY_PERCENT*,
        RISK_PERCENT read equity; BALANCE, RATIO_BALANCE read balance);
      parameter: the link's own number × `parameter_scale`: percent (PERCENT, EQUITY_PERCENT*,
        RISK_PERCENT; 40 % = 40_000_000) or ratio (RATIO*; 1 = 1_000_000; absent = 1);
      preset_steps: LOT_FIXED, LOT_WEIGHTS;
      unit_cost: int64[n] or int over `unit_cost_scale`: minor units (common currency) that one
        step of volume takes: its margin or notional (EQUITY_PERCENT), its loss at the stop
        (RISK_PERCENT);
      master_money: the master's equity or balance (RATIO_EQUITY, RATIO_BALANCE), minor units;
      custom_steps: what a custom rule answered (see `custom.allocate_custom`).

    Limits (of every method):
      exclusion: int8[n] of Reason (0 = takes part); min_steps: the minimum lot, in steps;
      cap_steps: the most steps each account may receive now (NO_CAP = none), cap_reason: int8[n]
        saying which limit that is (`caps.tightest` makes both); manual_steps: NO_MANUAL or the
        lots set by hand for that account.

    Memory between blocks: carry (largest remainder), round_robin_after (account id served last).
    """

    rule: Rule
    volume_steps: int
    account_ids: Int64Array
    equity: Int64Array | None = None
    balance: Int64Array | None = None
    parameter: Int64Array | None = None
    parameter_scale: int = PARAMETER_SCALE
    preset_steps: Int64Array | None = None
    unit_cost: Int64Array | int | None = None
    unit_cost_scale: int = 1
    master_money: int | None = None
    custom_steps: Int64Array | None = None
    exclusion: Int8Array | None = None
    min_steps: int = 1
    cap_steps: Int64Array | None = None
    cap_reason: Int8Array | None = None
    manual_steps: Int64Array | None = None
    carry: Carry | None = None
    round_robin_after: int | None = None

    def __post_init__(self) -> None:
        size = self.account_ids.size
        if self.volume_steps < 0:
            raise InputError(
                "negative_volume", "the volume is not negative", volume_steps=self.volume_steps
            )
        if self.min_steps < 1 or self.parameter_scale < 1 or self.unit_cost_scale < 1:
            raise InputError("bad_allocation_request", "minimum and scales are at least 1")
        ascending = bool((self.account_ids[1:] > self.account_ids[:-1]).all())
        if not ascending and np.unique(self.account_ids).size != size:
            raise InputError("duplicate_account", "an account appears twice in one allocation")
        for name in _VECTORS:
            vector = getattr(self, name)
            if isinstance(vector, np.ndarray) and vector.shape != (size,):
                raise InputError(
                    "bad_allocation_request",
                    f"{name} has shape {vector.shape}, the accounts number {size}",
                    field=name,
                )
        if self.carry is not None and self.carry.numerators.shape != (size,):
            raise InputError("bad_allocation_request", "carry is not aligned", field="carry")
        if self.cap_steps is not None and size and int(self.cap_steps.min()) < 0:
            raise InputError("bad_allocation_request", "a cap is not negative", field="cap_steps")

    def needs(self, name: str) -> Int64Array:
        """The vector `name`, or InputError `missing_input` saying that this method reads it."""
        value = getattr(self, name)
        if value is None:
            raise InputError(
                "missing_input",
                f"method {self.rule.method} needs {name}",
                method=str(self.rule.method),
                field=name,
            )
        vector = int64(value)
        size = self.account_ids.shape
        return vector if vector.shape == size else np.broadcast_to(vector, size)


_VECTORS = (
    "equity",
    "balance",
    "parameter",
    "preset_steps",
    "unit_cost",
    "custom_steps",
    "exclusion",
    "cap_steps",
    "cap_reason",
    "manual_steps",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One account's line of the explanation; requested is exact, in steps."""

    account_id: int
    requested: Fraction
    rounded_steps: int
    steps: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class AllocationResult:
    """The allocation and why.

    steps: int64[n] final; rounded_steps: int64[n] before manual lots, minimum and caps;
    reasons: int8[n] of Reason. quota_numerators / quota_denominators: the exact request of each
    account in steps (lists of Python integers where int64 would not hold; denominators may be one
    integer for all). block_steps = Σ steps, what is sent to the market. residual_steps = volume
    asked − block (0 when everything found an owner; negative only where lots set by hand, derived
    methods or percentages above a hundred in sum exceed the volume asked). carry and
    round_robin_after: pass them to the next block of the same symbol.
    """

    account_ids: Int64Array
    steps: Int64Array
    rounded_steps: Int64Array
    reasons: Int8Array
    quota_numerators: Int64Array | list[int]
    quota_denominators: Int64Array | list[int] | int
    volume_steps: int
    conserving: bool
    carry: Carry | None = None
    round_robin_after: int | None = None
    block_steps: int = field(init=False)
    residual_steps: int = field(init=False)

    def __post_init__(self) -> None:
        block = sum(self.steps.tolist()) if self.steps.size < 16 else int(self.steps.sum())
        object.__setattr__(self, "block_steps", block)
        object.__setattr__(self, "residual_steps", self.volume_steps - block)

    def requested(self, index: int) -> Fraction:
        """The exact quota of the account at `index`, in steps."""
        denominators = self.quota_denominators
        denominator = denominators if isinstance(denominators, int) else denominators[index]
        return Fraction(int(self.quota_numerators[index]), int(denominator))

    def row(self, index: int) -> Row:
        return Row(
            int(self.account_ids[index]),
            self.requested(index),
            int(self.rounded_steps[index]),
            int(self.steps[index]),
            Reason(int(self.reasons[index])),
        )

    def rows(self) -> list[Row]:
        """The explanation for people, in the order of the input."""
        return [self.row(index) for index in range(self.account_ids.size)]


def method_money(request: AllocationRequest) -> str | None:
    """Which money vector the method weighs or multiplies by, if any."""
    return _MONEY.get(request.rule.method)


_MONEY: dict[Method, str] = {
    Method.BALANCE: "balance",
    Method.EQUITY: "equity",
    Method.RATIO_EQUITY: "equity",
    Method.RATIO_BALANCE: "balance",
    Method.EQUITY_PERCENT: "equity",
    Method.EQUITY_PERCENT_SHARE: "equity",
    Method.RISK_PERCENT: "equity",
}
