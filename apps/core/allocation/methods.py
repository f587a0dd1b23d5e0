"""The methods: from the accounts' parameters to weights (conserving) or exact quotas (derived).

Formulas of math.md §1. Weights and quotas are exact: int64 while the products fit, else Python
integers, chosen by the guard in `ints`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

import numpy as np

from apps.core.allocation.request import AllocationRequest, method_money
from apps.core.allocation.rule import Method, Reason, Rounding
from apps.core.errors import InputError
from apps.core.ints import (
    BoolArray,
    Int64Array,
    exact_sum,
    fits,
    half_up_div,
    int64,
    max_abs,
)


@dataclass(frozen=True, slots=True)
class Weights:
    """Conserving: volume to divide, and int64[n] weights (0 = takes no part)."""

    volume: int
    weights: Int64Array


@dataclass(frozen=True, slots=True)
class Quotas:
    """Derived: exact steps per account, numerators / denominators (vectors, or Python integers)."""

    numerators: Int64Array | list[int]
    denominators: Int64Array | list[int]

    def rounded(self, rounding: Rounding) -> Int64Array:
        """Whole steps, down or half-up; OverflowError past int64."""
        top, bottom = self.numerators, self.denominators
        if isinstance(top, list) or isinstance(bottom, list):
            divide = half_up_div if rounding is Rounding.NEAREST_HALF_UP else int.__floordiv__
            return int64([divide(a, b) for a, b in zip(list(top), list(bottom), strict=True)])
        if rounding is Rounding.DOWN:
            return top // bottom
        if fits(max_abs(top), 4) and fits(max_abs(bottom), 4):
            return (2 * top + bottom) // (2 * bottom)
        return int64(
            [half_up_div(a, b) for a, b in zip(top.tolist(), bottom.tolist(), strict=True)]
        )


def exclusions(request: AllocationRequest) -> Int64Array:
    """Reason (0 = takes part) per account: given ones first, then money, then the parameter."""
    size = request.account_ids.size
    given = request.exclusion
    reasons = np.zeros(size, dtype=np.int64) if given is None else int64(given).copy()
    money = method_money(request)
    if money is not None:
        reasons[(reasons == 0) & (request.needs(money) <= 0)] = Reason.NO_EQUITY
    own = _own_number(request)
    if own is not None:
        without = (reasons == 0) & (own <= 0)
        if request.manual_steps is not None:
            without &= request.manual_steps < 0
        reasons[without] = Reason.NO_PARAMETER
    return reasons


def _own_number(request: AllocationRequest) -> Int64Array | None:
    match request.rule.method:
        case Method.PERCENT | Method.EQUITY_PERCENT | Method.EQUITY_PERCENT_SHARE:
            return request.needs("parameter")
        case Method.RISK_PERCENT:
            return request.needs("parameter")
        case Method.RATIO | Method.RATIO_EQUITY | Method.RATIO_BALANCE:
            return request.parameter
        case Method.LOT_FIXED | Method.LOT_WEIGHTS:
            return request.needs("preset_steps")
        case _:
            return None


def weights_of(request: AllocationRequest, taking_part: BoolArray) -> Weights:
    """Weights and volume of a conserving method; those not taking part weigh 0."""
    volume = request.volume_steps
    match request.rule.method:
        case Method.BALANCE | Method.EQUITY:
            weights = request.needs(str(request.rule.method))
        case Method.EQUAL:
            weights = np.ones(request.account_ids.size, dtype=np.int64)
        case Method.PERCENT:
            weights = request.needs("parameter")
            total = exact_sum(np.where(taking_part & (weights > 0), weights, 0))
            volume = volume * total // (100 * request.parameter_scale)
        case Method.LOT_WEIGHTS:
            weights = request.needs("preset_steps")
        case Method.EQUITY_PERCENT_SHARE:
            weights = _product(request.needs("equity"), request.needs("parameter"))
        case method:
            raise InputError("bad_rule_option", f"method {method} divides no block")
    return Weights(volume, np.where(taking_part & (weights > 0), weights, 0))


def _product(left: Int64Array, right: Int64Array) -> Int64Array:
    """left · right as weights: their ratios are kept exactly, common factors are taken out."""
    divisor = int(np.gcd.reduce(left)) or 1, int(np.gcd.reduce(right)) or 1
    left, right = left // divisor[0], right // divisor[1]
    if fits(max_abs(left), max_abs(right)):
        return left * right
    products = [a * b for a, b in zip(left.tolist(), right.tolist(), strict=True)]
    common = gcd(*products) or 1
    return int64([value // common for value in products])


def quotas_of(request: AllocationRequest) -> Quotas:
    """Exact quotas of a derived method, for all n accounts (exclusions are applied later)."""
    size = request.account_ids.size
    ones = np.ones(size, dtype=np.int64)
    match request.rule.method:
        case Method.LOT_FIXED:
            return Quotas(request.needs("preset_steps"), ones)
        case Method.CUSTOM:
            return Quotas(request.needs("custom_steps"), ones)
        case Method.RATIO:
            return _ratio(request, [], 1)
        case Method.RATIO_EQUITY | Method.RATIO_BALANCE:
            money = request.needs(method_money(request) or "")
            return _ratio(request, [money], _master_money(request))
        case Method.EQUITY_PERCENT | Method.RISK_PERCENT:
            cost = request.needs("unit_cost")
            if bool(np.any(cost <= 0)):
                raise InputError(
                    "bad_unit_cost",
                    "one step of volume must cost something: is the stop at the entry price?",
                    method=str(request.rule.method),
                )
            money = np.maximum(request.needs("equity"), 0)
            factors = [money, request.needs("parameter")]
            return _exact(factors, request.unit_cost_scale, [cost], 100 * request.parameter_scale)
        case method:
            raise InputError("bad_rule_option", f"method {method} derives no lots")


def _master_money(request: AllocationRequest) -> int:
    if request.master_money is None or request.master_money <= 0:
        raise InputError(
            "missing_input",
            "a ratio to the master's money needs a master with positive money",
            field="master_money",
        )
    return request.master_money


def _ratio(request: AllocationRequest, factors: list[Int64Array], divisor: int) -> Quotas:
    if request.parameter is not None:
        factors = [*factors, request.parameter]
        divisor *= request.parameter_scale
    if not factors:
        factors = [np.ones(request.account_ids.size, dtype=np.int64)]
    return _exact(factors, request.volume_steps, [], divisor)


def _exact(
    factors: list[Int64Array], factor: int, divisors: list[Int64Array], divisor: int
) -> Quotas:
    """Π factors · factor / (Π divisors · divisor), reduced by the constants' common divisor."""
    common = gcd(factor, divisor) or 1
    factor, divisor = factor // common, divisor // common
    if fits(factor, *(max_abs(vector) for vector in factors)) and fits(
        divisor, *(max_abs(vector) for vector in divisors)
    ):
        top, bottom = np.full(factors[0].size, factor), np.full(factors[0].size, divisor)
        for vector in factors:
            top = top * vector
        for vector in divisors:
            bottom = bottom * vector
        return Quotas(top, bottom)
    tops, bottoms = [factor] * factors[0].size, [divisor] * factors[0].size
    for vector in factors:
        tops = [a * b for a, b in zip(tops, vector.tolist(), strict=True)]
    for vector in divisors:
        bottoms = [a * b for a, b in zip(bottoms, vector.tolist(), strict=True)]
    return Quotas(tops, bottoms)
