"""Exact integer arithmetic on NumPy int64 vectors, with the guard that keeps it exact.

int64 wraps silently in NumPy. Every product of the core is therefore bounded first with Python
integers (`fits`); what does not fit is computed with Python integers, with the same result.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
Int8Array = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]

INT64_MAX = (1 << 63) - 1
# One bit less than int64 holds: room for the one addition that follows a product.
SAFE = 1 << 62
_SHORT = 256  # up to here one pass with a temporary is quicker than two without


def int64(values: object) -> Int64Array:
    """A C-contiguous int64 vector of `values`; OverflowError when one does not fit."""
    return np.ascontiguousarray(values, dtype=np.int64)


def max_abs(values: Int64Array) -> int:
    """The largest absolute value as a Python integer; 0 for an empty vector."""
    if 0 < values.size <= _SHORT:
        # Unsigned, so that the one value without a positive twin (−2**63) counts as 2**63.
        return int(np.abs(values).view(np.uint64).max())
    low, high = bounds(values)
    return max(high, -low)


def bounds(values: Int64Array) -> tuple[int, int]:
    """The least and the largest value as Python integers; zeros for an empty vector."""
    if values.size == 0:
        return 0, 0
    return int(np.minimum.reduce(values)), int(np.maximum.reduce(values))


def fits(*factors: int) -> bool:
    """Whether the product of the absolute values of `factors` stays below 2**62."""
    product = 1
    for factor in factors:
        product *= abs(factor)
    return product < SAFE


def floor_divmod(values: Int64Array, divisor: int) -> tuple[Int64Array, Int64Array]:
    """(values // divisor, values % divisor) for one divisor > 0.

    NumPy divides by a constant without a division; its divmod does not.
    """
    whole = values // divisor
    return whole, values - whole * divisor


def natural_div(values: Int64Array, divisor: int) -> Int64Array:
    """values // divisor of values ≥ 0: without a sign NumPy divides in half the time."""
    return (values.view(np.uint64) // np.uint64(divisor)).view(np.int64)


def natural_divmod(values: Int64Array, divisor: int) -> tuple[Int64Array, Int64Array]:
    """`floor_divmod` of values ≥ 0."""
    whole = natural_div(values, divisor)
    return whole, values - whole * divisor


def exact_sum(values: Int64Array) -> int:
    """The sum as a Python integer, right even where int64 would wrap."""
    if fits(max_abs(values), values.size):
        return int(values.sum())
    return sum(values.tolist())


def half_up_div(numerator: int, denominator: int) -> int:
    """numerator / denominator rounded half away from zero; denominator > 0."""
    magnitude = (2 * abs(numerator) + denominator) // (2 * denominator)
    return -magnitude if numerator < 0 else magnitude


def half_up(value: Fraction) -> int:
    """A fraction rounded to an integer, half away from zero."""
    return half_up_div(value.numerator, value.denominator)


def per_distinct(values: Int64Array, function: Callable[[int], int]) -> Int64Array:
    """`function` on Python integers, once for each distinct value; OverflowError past int64."""
    distinct, inverse = np.unique(values, return_inverse=True)
    return int64([function(value) for value in distinct.tolist()])[inverse]


def scale_half_up(values: Int64Array, numerator: int, denominator: int) -> Int64Array:
    """`values · numerator / denominator`, each rounded half away from zero; denominator > 0."""
    low, high = bounds(values)
    if fits(max(high, -low), numerator, 2) and fits(denominator, 2):
        if numerator < 0:
            values, numerator, low = -values, -numerator, -high
        doubled = values * (2 * numerator)
        doubled += denominator
        if low >= 0:
            return natural_div(doubled, 2 * denominator)
        doubled += values >> 63  # one less where negative: floor then rounds the half down
        return doubled // (2 * denominator)
    return per_distinct(values, lambda value: half_up_div(value * numerator, denominator))
