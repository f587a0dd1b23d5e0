"""Allocation: how one block is divided over the sub-accounts, exactly and with reasons.

    result = allocate(AllocationRequest(
        rule=Rule(method="equity"), volume_steps=1000, account_ids=ids, equity=equity_minor,
        min_steps=1, cap_steps=caps, cap_reason=why, exclusion=excluded, carry=carry))
    result.steps, result.reasons        # int64[n], int8[n] of Reason
    result.block_steps                  # what is sent to the market
    result.residual_steps               # asked − block
    result.carry                        # give it to the next block of this symbol
    result.rows()                       # the explanation: requested, rounded, final, reason

    increments = apportion(targets, given, cumulative_total, ids)          # fills in parts
    closing = partial_close(positions, closed, closed_master, master, ids)  # closes in parts

`allocate` and `apportion` are pure and deterministic: the same request gives the same result on
every machine, in whatever order the accounts stand.
"""

from apps.core.allocation.allocate import allocate
from apps.core.allocation.apportion import (
    apportion,
    close_percent_each,
    close_total,
    partial_close,
)
from apps.core.allocation.request import (
    NO_CAP,
    NO_MANUAL,
    PARAMETER_SCALE,
    AllocationRequest,
    AllocationResult,
    Row,
)
from apps.core.allocation.rule import (
    CONSERVING,
    BelowMin,
    CapPolicy,
    ManualPolicy,
    Method,
    Reason,
    ResidualPolicy,
    Rounding,
    Rule,
)
from apps.core.allocation.split import Carry

__all__ = [
    "CONSERVING",
    "NO_CAP",
    "NO_MANUAL",
    "PARAMETER_SCALE",
    "AllocationRequest",
    "AllocationResult",
    "BelowMin",
    "CapPolicy",
    "Carry",
    "ManualPolicy",
    "Method",
    "Reason",
    "ResidualPolicy",
    "Rounding",
    "Row",
    "Rule",
    "allocate",
    "apportion",
    "close_percent_each",
    "close_total",
    "partial_close",
]
