"""`allocate`: the whole of one allocation, pure and vectorised.

Order: who takes part → weights or quotas → rounding (residual policy, carry) → lots set by hand →
caps → minimum lot. Redistribution options re-divide what was freed among those still free, until
nothing changes; every round fixes at least one account, so it ends.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.core.allocation import methods, split
from apps.core.allocation.request import NO_CAP, AllocationRequest, AllocationResult
from apps.core.allocation.rule import BelowMin, CapPolicy, ManualPolicy, Reason, ResidualPolicy
from apps.core.allocation.split import Carry, Split
from apps.core.errors import InputError, RejectedError
from apps.core.ints import BoolArray, Int64Array


def allocate(request: AllocationRequest) -> AllocationResult:
    """Divide one block, or derive it: see AllocationRequest and AllocationResult.

    Raises InputError (malformed or missing input) and RejectedError `manual_exceeds_block`.
    """
    reasons = methods.exclusions(request)
    if request.rule.conserving:
        return _conserving(request, reasons)
    return _derived(request, reasons)


@dataclass(slots=True)
class _Limits:
    """What bounds each account, as full vectors."""

    cap: Int64Array
    cap_reason: Int64Array
    minimum: int


def _limits(request: AllocationRequest) -> _Limits:
    size = request.account_ids.size
    cap = request.cap_steps if request.cap_steps is not None else np.full(size, NO_CAP)
    reason = (
        request.cap_reason.astype(np.int64)
        if request.cap_reason is not None
        else np.full(size, int(Reason.CAP_ACCOUNT))
    )
    return _Limits(cap, reason, request.min_steps)


def _derived(request: AllocationRequest, reasons: Int64Array) -> AllocationResult:
    quotas = methods.quotas_of(request)
    taking_part = reasons == 0
    rounded = np.where(taking_part, quotas.rounded(request.rule.rounding), 0)
    limits = _limits(request)
    steps = rounded.copy()
    manual = _apply_manual(request, steps, reasons)
    if request.rule.below_min is BelowMin.BUMP_TO_MIN:
        low = taking_part & ~manual & (steps < limits.minimum)
        steps[low] = limits.minimum
        reasons[low] = Reason.RAISED_TO_MIN
    _clip(steps, reasons, taking_part, limits)
    numerators = (
        np.where(taking_part, quotas.numerators, 0)
        if isinstance(quotas.numerators, np.ndarray)
        else [
            value if part else 0 for value, part in zip(quotas.numerators, taking_part, strict=True)
        ]
    )
    return AllocationResult(
        request.account_ids,
        steps,
        rounded,
        reasons.astype(np.int8),
        numerators,
        quotas.denominators,
        request.volume_steps,
        conserving=False,
        carry=request.carry,
        round_robin_after=request.round_robin_after,
    )


def _conserving(request: AllocationRequest, reasons: Int64Array) -> AllocationResult:
    weighed = methods.weights_of(request, reasons == 0)
    volume, weights = weighed.volume, weighed.weights
    limits = _limits(request)
    if request.manual_steps is None:
        return _without_manual(request, reasons, weights, volume, limits)
    steps = np.zeros(request.account_ids.size, dtype=np.int64)
    manual = _apply_manual(request, steps, reasons)
    free = (weights > 0) & (reasons == 0) | (manual & (weights > 0))
    if request.rule.manual_policy is ManualPolicy.WITHIN_BLOCK and bool(manual.any()):
        volume -= int(steps[manual].sum())
        if volume < 0:
            raise RejectedError(
                "manual_exceeds_block",
                "the lots set by hand exceed the block they must stay within",
                excess_steps=-volume,
            )
        free &= ~manual
    first = _divide(request, weights, free, volume)
    rounded = first.steps
    settled = _settle(request, weights, free, volume, first, limits, reasons)
    steps = np.where(manual, steps, settled)
    reasons[manual] = Reason.MANUAL
    reasons[free & (reasons == _ALLOCATED) & (steps != rounded)] = _REDIVIDED
    _clip(steps, reasons, free | manual, limits)
    return _conserved(request, first, steps, reasons)


def _without_manual(
    request: AllocationRequest,
    reasons: Int64Array,
    weights: Int64Array,
    volume: int,
    limits: _Limits,
) -> AllocationResult:
    """No lots set by hand: what is left of `_conserving`, a third of its array operations less."""
    free: BoolArray = weights > 0
    first = _divide(request, weights, free, volume)
    steps = _settle(request, weights, free, volume, first, limits, reasons)
    if steps is first.steps:
        steps = steps.copy()
    else:
        reasons[free & (reasons == _ALLOCATED) & (steps != first.steps)] = _REDIVIDED
    _clip(steps, reasons, free, limits)
    return _conserved(request, first, steps, reasons)


def _conserved(
    request: AllocationRequest, first: _Division, steps: Int64Array, reasons: Int64Array
) -> AllocationResult:
    numerators, denominator = first.quotas
    return AllocationResult(
        request.account_ids,
        steps,
        first.steps,
        reasons.astype(np.int8),
        numerators,
        denominator,
        request.volume_steps,
        conserving=True,
        carry=first.carry,
        round_robin_after=first.round_robin_after,
    )


def _apply_manual(request: AllocationRequest, steps: Int64Array, reasons: Int64Array) -> BoolArray:
    """Put the lots set by hand into `steps` and `reasons`; which accounts they are."""
    if request.manual_steps is None:
        return np.zeros(steps.size, dtype=np.bool_)
    manual: BoolArray = (request.manual_steps >= 0) & (reasons == 0)
    steps[manual] = request.manual_steps[manual]
    reasons[manual] = Reason.MANUAL
    return manual


@dataclass(slots=True)
class _Division:
    """A first or later division, scattered back over all accounts."""

    steps: Int64Array
    quotas: tuple[Int64Array | list[int], int]
    carry: Carry | None
    round_robin_after: int | None


def _divide(
    request: AllocationRequest, weights: Int64Array, free: BoolArray, volume: int
) -> _Division:
    """Divide `volume` among the `free` accounts by the rule's residual policy."""
    size, taking_part = free.size, int(np.count_nonzero(free))
    carry, after = request.carry, request.round_robin_after
    if taking_part == 0:
        nothing = np.zeros(size, dtype=np.int64)
        return _Division(nothing, (nothing, 1), carry, after)
    everyone = taking_part == size
    index = _NOBODY if everyone else np.flatnonzero(free)
    ids = request.account_ids if everyone else request.account_ids[index]
    chosen = weights if everyone else weights[index]
    if request.rule.residual_policy is ResidualPolicy.LARGEST_REMAINDER:
        own = None
        if request.rule.uses_carry:
            carry = carry or Carry.zero(size)
            own = carry if everyone else carry.take(index)
        part = split.largest_remainder(chosen, ids, volume, own)
        if carry is not None and part.carry is not None:
            carry = part.carry if everyone else _merged(carry, index, part.carry)
    else:
        part, after = _other_policy(request, chosen, ids, volume)
    if everyone:
        quotas = part.quota_numerators, part.quota_denominator
        return _Division(part.shares, quotas, carry, after)
    steps = np.zeros(size, dtype=np.int64)
    steps[index] = part.shares
    return _Division(steps, (_scattered(part, index, size), part.quota_denominator), carry, after)


def _scattered(part: Split, index: Int64Array, size: int) -> Int64Array | list[int]:
    """The quotas at their places among all accounts; the others asked for nothing."""
    if isinstance(part.quota_numerators, np.ndarray):
        numerators = np.zeros(size, dtype=np.int64)
        numerators[index] = part.quota_numerators
        return numerators
    wide = [0] * size
    for position, value in zip(index.tolist(), part.quota_numerators, strict=True):
        wide[position] = value
    return wide


def _merged(whole: Carry, index: Int64Array, part: Carry) -> Carry:
    """The carries of all accounts, with those at `index` replaced, over the new denominator."""
    numerators = whole.over(part.denominator).copy()
    numerators[index] = part.numerators
    return Carry(numerators, part.denominator)


def _other_policy(
    request: AllocationRequest, weights: Int64Array, ids: Int64Array, volume: int
) -> tuple[Split, int | None]:
    """Floors, then the residual by largest weight, in turn, or to one account."""
    numerators, total = split.quotas(weights, volume)
    if isinstance(numerators, list):
        shares = np.array([value // total for value in numerators], dtype=np.int64)
    else:
        shares = numerators // total
    residual = volume - int(shares.sum())
    after = request.round_robin_after
    match request.rule.residual_policy:
        case ResidualPolicy.LARGEST_WEIGHT_FIRST:
            shares[split.by_weight(weights, ids)[:residual]] += 1
        case ResidualPolicy.ROUND_ROBIN if residual:
            order = np.argsort(ids)
            start = 0 if after is None else int(np.searchsorted(ids[order], after, side="right"))
            served = np.roll(order, -start)[:residual]
            shares[served] += 1
            after = int(ids[served[-1]])
        case ResidualPolicy.OVERFLOW_ACCOUNT:
            owner = np.flatnonzero(ids == request.rule.overflow_account_id)
            if owner.size == 0:
                raise InputError(
                    "overflow_account_absent",
                    "the account that takes the residual takes no part in this block",
                    account_id=request.rule.overflow_account_id,
                )
            shares[owner] += residual
    return Split(shares, numerators, total), after


def _settle(
    request: AllocationRequest,
    weights: Int64Array,
    free: BoolArray,
    volume: int,
    first: _Division,
    limits: _Limits,
    reasons: Int64Array,
) -> Int64Array:
    """Apply the redistributing options; the clipping ones are left to `_clip`."""
    capped = np.zeros(free.size, dtype=np.bool_)
    if request.rule.cap_policy is CapPolicy.CLIP:
        return _settle_minimum(request, weights, free, volume, first.steps, limits, reasons)
    while True:
        open_accounts = free & ~capped
        left = volume - int(limits.cap[capped].sum())
        start = (
            first.steps
            if not capped.any()
            else _divide(request, weights, open_accounts, left).steps
        )
        marks = reasons.copy()
        steps = _settle_minimum(request, weights, open_accounts, left, start, limits, marks)
        over = open_accounts & (steps > limits.cap)
        if not over.any():
            reasons[:] = marks
            steps[capped] = limits.cap[capped]
            reasons[capped] = limits.cap_reason[capped]
            return steps
        capped |= over


def _settle_minimum(
    request: AllocationRequest,
    weights: Int64Array,
    free: BoolArray,
    volume: int,
    steps: Int64Array,
    limits: _Limits,
    reasons: Int64Array,
) -> Int64Array:
    """Below the minimum: leave (SKIP, `_clip` zeroes it), or skip and re-divide, or raise.

    Accounts rounded to nothing have nothing to give back: alone they cause no second division.
    """
    policy, minimum = request.rule.below_min, limits.minimum
    if policy is BelowMin.SKIP:
        return steps
    steps, free = steps.copy(), free.copy()
    if policy is BelowMin.BUMP_TO_MIN:
        affordable = volume // minimum
        if affordable < int(free.sum()):
            members = np.flatnonzero(free)
            order = split.by_weight(weights[members], request.account_ids[members])
            dropped = members[order[affordable:]]
            free[dropped] = False
            reasons[dropped] = Reason.BELOW_MIN
            steps = _divide(request, weights, free, volume).steps
    raised = np.zeros(free.size, dtype=np.bool_)
    while True:
        low = free & (steps < minimum)
        raising = policy is BelowMin.BUMP_TO_MIN
        if not (low if raising else low & (steps > 0)).any():
            break
        free &= ~low
        if raising:
            raised |= low
            volume -= minimum * int(low.sum())
            reasons[low] = Reason.RAISED_TO_MIN
        else:
            reasons[low] = Reason.BELOW_MIN
        steps = _divide(request, weights, free, volume).steps
    steps[raised] = minimum
    return steps


def _clip(steps: Int64Array, reasons: Int64Array, live: BoolArray, limits: _Limits) -> None:
    """Caps, then the minimum lot, in place: what remains of the default policies."""
    over = np.flatnonzero(live & (steps > limits.cap))
    steps[over] = limits.cap[over]
    reasons[over] = limits.cap_reason[over]
    low = np.flatnonzero(live & (steps < limits.minimum))
    if low.size:
        why, empty = reasons[low], steps[low] == 0
        capped = (why >= _FIRST_CAP) & (why < _LAST_CAP)
        untouched = (why == _ALLOCATED) | (why == _REDIVIDED)
        reasons[low] = np.where(
            capped, _LAST_CAP, np.where(untouched & empty, _TO_ZERO, _BELOW_MIN)
        )
        steps[low] = 0


_NOBODY = np.zeros(0, dtype=np.int64)
# Plain integers: looking an enum member up costs more than comparing a thousand accounts.
_ALLOCATED, _TO_ZERO = int(Reason.ALLOCATED), int(Reason.ROUNDED_TO_ZERO)
_BELOW_MIN, _REDIVIDED = int(Reason.BELOW_MIN), int(Reason.REDIVIDED)
_FIRST_CAP, _LAST_CAP = int(Reason.CAP_ACCOUNT), int(Reason.CAP_BELOW_MIN)
