"""Dividing V steps by weights: largest remainder with or without carry, and the other policies.

Largest remainder with carry (math.md §1): the V steps go one at a time to the account with the
largest carry + quota − given; ties to the larger weight, then to the lower id. Done here without
V iterations: account i offers the units s, s − 1, s − 2 … (s = carry + quota) and the V largest
units win. The integer level k below which nobody is served is found by bisection on whole steps;
one selection among the units inside [k, k + 1) settles the rest. With no carry, k = 0 and this is
Hamilton's method.

A carry is kept as an integer over a common denominator (`Carry`). Inside one block every decision
is exact. Between blocks the carry stays exact as long as lcm(its denominator, Σ weights / gcd) is
at most 2**40, which covers fixed and slowly changing weights; beyond that it is rounded (half up)
to the grid of 2**-20 step, an error below 10**-6 step per block.

Equal results on both sides of the int64 guard: vectors while every product fits, else Python
integers (`_split_python`), which is also the readable form the tests compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

import numpy as np

from apps.core.ints import (
    INT64_MAX,
    BoolArray,
    Int64Array,
    exact_sum,
    fits,
    floor_divmod,
    int64,
    max_abs,
    natural_divmod,
)

CARRY_LIMIT = 1 << 40
GRID_BITS = 20
CARRY_GRID = 1 << GRID_BITS
GRID_TOTAL = 1 << 52


@dataclass(frozen=True, slots=True)
class Carry:
    """Σ quotas − Σ shares so far, per account, in steps: `numerators / denominator`.

    One per book and symbol, aligned with the account vector; rounding alone, before minimum and
    caps. A new account appends 0; a leaving one takes its element away.
    """

    numerators: Int64Array
    denominator: int = 1

    @classmethod
    def zero(cls, size: int) -> Carry:
        return cls(np.zeros(size, dtype=np.int64))

    def take(self, indices: Int64Array) -> Carry:
        """The carries of the accounts at `indices` (int64), e.g. after one has left."""
        return Carry(self.numerators[indices], self.denominator)

    def with_new(self, count: int) -> Carry:
        """The same with `count` new accounts at the end, at zero."""
        return Carry(
            np.concatenate([self.numerators, np.zeros(count, dtype=np.int64)]), self.denominator
        )

    def over(self, denominator: int) -> Int64Array:
        """Numerators over another denominator, half up where it does not divide."""
        if denominator % self.denominator == 0:
            factor = denominator // self.denominator
            if fits(max_abs(self.numerators), factor):
                return self.numerators * factor
        elif fits(max_abs(self.numerators), 2 * denominator) and fits(2 * self.denominator):
            doubled = self.numerators * (2 * denominator) + self.denominator
            return doubled // (2 * self.denominator)
        return int64(
            [
                (2 * value * denominator + self.denominator) // (2 * self.denominator)
                for value in self.numerators.tolist()
            ]
        )


@dataclass(frozen=True, slots=True)
class Split:
    """shares: int64[n], sum = volume; carry: after the block; quota = numerators / denominator."""

    shares: Int64Array
    quota_numerators: Int64Array | list[int]
    quota_denominator: int
    carry: Carry | None = None


def quotas(weights: Int64Array, volume: int) -> tuple[Int64Array | list[int], int]:
    """Exact quotas V·w/Σw as (numerators, denominator); a list of Python ints past int64."""
    largest = max_abs(weights)
    total = int(np.add.reduce(weights)) if fits(largest, weights.size) else exact_sum(weights)
    if fits(largest, volume):
        return weights * volume, total
    return [weight * volume for weight in weights.tolist()], total


def largest_remainder(
    weights: Int64Array, account_ids: Int64Array, volume: int, carry: Carry | None = None
) -> Split:
    """Divide `volume` ≥ 0 steps by positive `weights` (int64[n], n ≥ 1), with optional carry."""
    weights = _reduced(weights)
    numerators, total = quotas(weights, volume)
    if carry is None:
        shares = _hamilton(weights, account_ids, volume, total, numerators)
        return Split(shares, numerators, total)
    if lcm(carry.denominator, total) <= CARRY_LIMIT:
        shares, carry = _with_exact_carry(weights, account_ids, volume, carry, numerators, total)
    else:
        carry = Carry(carry.over(CARRY_GRID), CARRY_GRID)
        shares, carry = _with_grid_carry(weights, account_ids, volume, carry, numerators, total)
    return Split(shares, numerators, total, carry)


def _with_exact_carry(
    weights: Int64Array,
    account_ids: Int64Array,
    volume: int,
    carry: Carry,
    numerators: Int64Array | list[int],
    total: int,
) -> tuple[Int64Array, Carry]:
    """Quota and carry over their common denominator, at most CARRY_LIMIT."""
    denominator = lcm(carry.denominator, total)
    per_carry = denominator // carry.denominator
    if isinstance(numerators, list) or not fits(max_abs(carry.numerators), per_carry, 4):
        shares, left = _split_python(weights, account_ids, volume, carry, denominator)
        return shares, Carry(int64(left), denominator)
    whole, rest = natural_divmod(numerators, total)
    score = rest * (denominator // total) + carry.numerators * per_carry
    extra, fraction = floor_divmod(score, denominator)
    floors = whole + extra
    shares = serve(floors, fraction, weights, account_ids, volume)
    return shares, Carry(_left(floors - shares, fraction, denominator), denominator)


def _with_grid_carry(
    weights: Int64Array,
    account_ids: Int64Array,
    volume: int,
    carry: Carry,
    numerators: Int64Array | list[int],
    total: int,
) -> tuple[Int64Array, Carry]:
    """Carry on the grid: the fraction of quota + carry in two words, grid steps and the rest.

    The decision is exact; only the carry kept is rounded (half up) to the grid.
    """
    if isinstance(numerators, list) or total >= GRID_TOTAL:
        denominator = lcm(CARRY_GRID, total)
        shares, left = _split_python(weights, account_ids, volume, carry, denominator)
        return shares, Carry(
            int64([(2 * x * CARRY_GRID + denominator) // (2 * denominator) for x in left]),
            CARRY_GRID,
        )
    floors, rest = natural_divmod(numerators, total)
    # rest · 2**20 / total by long division in two digits of 10 bits: no product passes 2**62.
    # In place, and by shifts: at 100,000 accounts a new array costs as much as the arithmetic.
    rest <<= 10
    word, rest = natural_divmod(rest, total)
    rest <<= 10
    digit, rest = natural_divmod(rest, total)
    word <<= 10
    word += digit
    word += carry.numerators
    floors += word >> GRID_BITS
    fraction = word & (CARRY_GRID - 1)
    shares = serve(floors, fraction, weights, account_ids, volume, rests=rest)
    rounded = fraction + (2 * rest >= total)
    return shares, Carry(_left(floors - shares, rounded, CARRY_GRID), CARRY_GRID)


def _left(unserved: Int64Array, fraction: Int64Array, denominator: int) -> Int64Array:
    """unserved + fraction / denominator as numerators."""
    if fits(max_abs(unserved) + 1, denominator):
        whole = unserved * denominator
        whole += fraction
        return whole
    pairs = zip(unserved.tolist(), fraction.tolist(), strict=True)
    return int64([whole * denominator + part for whole, part in pairs])


_HISTOGRAM_FROM, _HISTOGRAM_BITS = 2048, 10
_FEW = 32
"""Weights to look at first: where these have no common divisor, all have none."""


def _reduced(weights: Int64Array) -> Int64Array:
    """Weights over their greatest common divisor: scaling all money changes nothing at all."""
    divisor = int(np.gcd.reduce(weights[:_FEW]))
    if divisor > 1:
        divisor = int(np.gcd.reduce(weights))
    return weights // divisor if divisor > 1 else weights


def _hamilton(
    weights: Int64Array,
    account_ids: Int64Array,
    volume: int,
    total: int,
    numerators: Int64Array | list[int],
) -> Int64Array:
    if isinstance(numerators, list) or total > INT64_MAX:
        return _split_python(weights, account_ids, volume, None, total)[0]
    whole, rest = natural_divmod(numerators, total)
    return whole + top(rest, weights, account_ids, volume - int(whole.sum()))


def serve(
    floors: Int64Array,
    fraction: Int64Array,
    weights: Int64Array,
    account_ids: Int64Array,
    volume: int,
    rests: Int64Array | None = None,
) -> Int64Array:
    """The `volume` largest of the units floor + fraction − 0, 1, 2 …

    rests: a second word of the fraction, below the first.
    """
    level = _level(floors, volume)
    shares = _units(floors, level)
    keys = fraction | ((floors - level) >> 63)  # −1 where the floor is below the level
    return shares + top(keys, weights, account_ids, volume - int(shares.sum()), rests)


def _units(floors: Int64Array, level: int) -> Int64Array:
    """How many units each account has above `level`."""
    units: Int64Array = np.maximum(floors - level if level else floors, 0)
    return units


def _level(floors: Int64Array, volume: int) -> int:
    """The least integer k for which the units at or above k + 1 number at most `volume`."""

    def units_above(level: int) -> int:
        return int(np.add.reduce(_units(floors, level)))

    low, high = int(floors.min()) - volume - 1, int(floors.max())
    for guess in (0, -1, 1):
        if low < guess < high:
            low, high = (low, guess) if units_above(guess) <= volume else (guess, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if units_above(middle) <= volume else (middle, high)
    return high


def top(
    keys: Int64Array,
    weights: Int64Array,
    account_ids: Int64Array,
    count: int,
    rests: Int64Array | None = None,
) -> BoolArray:
    """Which are the `count` largest keys; ties to the larger rest, weight, then the lower id.

    Selection instead of a sort: only what ties at the threshold is sorted.
    """
    if count <= 0:
        return np.zeros(keys.size, dtype=np.bool_)
    threshold = _largest(keys, count)
    chosen: BoolArray = keys > threshold
    tied = np.flatnonzero(keys == threshold)
    missing = count - int(np.count_nonzero(chosen))
    if missing < tied.size:
        by = (account_ids[tied], -weights[tied])
        order = np.lexsort(by if rests is None else (*by, -rests[tied]))
        tied = tied[order[:missing]]
    chosen[tied] = True
    return chosen


def _largest(keys: Int64Array, count: int) -> np.int64:
    """The `count`-th largest key: a histogram finds its bucket, only that one is partitioned."""
    if keys.size < _HISTOGRAM_FROM:
        return np.int64(np.partition(keys, keys.size - count)[keys.size - count])
    low = int(np.minimum.reduce(keys))
    span = int(np.maximum.reduce(keys)) - low
    if span > INT64_MAX:
        return np.int64(np.partition(keys, keys.size - count)[keys.size - count])
    buckets = keys - low
    buckets >>= max(0, span.bit_length() - _HISTOGRAM_BITS)
    at_or_above = np.cumsum(np.bincount(buckets)[::-1])
    from_top = int(np.searchsorted(at_or_above, count))
    above = int(at_or_above[from_top - 1]) if from_top else 0
    inside = keys[buckets == at_or_above.size - 1 - from_top]
    place = inside.size - (count - above)
    return np.int64(np.partition(inside, place)[place])


def by_weight(weights: Int64Array, account_ids: Int64Array) -> Int64Array:
    """Account positions in order of precedence: larger weight first, then lower id."""
    return np.lexsort((account_ids, -weights))


def _split_python(
    weights: Int64Array,
    account_ids: Int64Array,
    volume: int,
    carry: Carry | None,
    denominator: int,
) -> tuple[Int64Array, list[int]]:
    """The same rule in Python integers: (shares, new carry numerators over `denominator`)."""
    weight_list = weights.tolist()
    per_quota = denominator // sum(weight_list)
    scores = [volume * weight * per_quota for weight in weight_list]
    if carry is not None:
        per_carry = denominator // carry.denominator
        scores = [
            score + value * per_carry
            for score, value in zip(scores, carry.numerators.tolist(), strict=True)
        ]
    floors = [score // denominator for score in scores]

    def units_above(level: int) -> int:
        return sum(floor - level for floor in floors if floor > level)

    low, high = min(floors) - volume - 1, max(floors)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if units_above(middle) <= volume else (middle, high)
    shares = [max(0, floor - high) for floor in floors]
    ids = account_ids.tolist()
    candidates = sorted(
        (index for index, floor in enumerate(floors) if floor >= high),
        key=lambda index: (-(scores[index] % denominator), -weight_list[index], ids[index]),
    )
    for index in candidates[: volume - sum(shares)]:
        shares[index] += 1
    left = [score - share * denominator for score, share in zip(scores, shares, strict=True)]
    return int64(shares), left
