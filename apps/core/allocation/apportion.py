"""Fills in parts and partial closes: "Hamilton with memory" (math.md §1).

At each event with cumulative total F the new steps go one at a time to the account with the
largest F·a/A − g among g < a (a target, A = Σ a, g given so far); ties to the larger target, then
to the lower id. The first event is Hamilton's; nothing is ever taken back; at F = A everyone has
exactly a. Vectorised like `split`, without a loop over steps.
"""

from __future__ import annotations

import numpy as np

from apps.core.allocation.split import serve
from apps.core.errors import InputError
from apps.core.ints import Int64Array, exact_sum, fits, half_up_div, int64, max_abs


def apportion(
    targets: Int64Array, given: Int64Array, cumulative_total: int, account_ids: Int64Array
) -> Int64Array:
    """The increments int64[n] ≥ 0 that bring Σ given up to `cumulative_total`.

    targets, given: int64[n] steps, 0 ≤ given ≤ targets. A total at or below Σ given (after some
    residuals closed in full) gives zeros. Raises InputError `fill_exceeds_block` when the total
    exceeds Σ targets, `bad_given` when given is not within its target.
    """
    targets, given = int64(targets), int64(given)
    if bool(np.any((given < 0) | (given > targets))):
        raise InputError("bad_given", "an account has more than its target, or less than nothing")
    whole = exact_sum(targets)
    if cumulative_total > whole:
        raise InputError(
            "fill_exceeds_block",
            f"{cumulative_total} steps were filled of a block of {whole}",
            cumulative_total=cumulative_total,
            block_steps=whole,
        )
    new_steps = cumulative_total - exact_sum(given)
    if new_steps <= 0:
        return np.zeros(targets.size, dtype=np.int64)
    if fits(cumulative_total, max_abs(targets)):
        floors, rest = np.divmod(targets * cumulative_total, whole)
    else:
        pairs = [divmod(target * cumulative_total, whole) for target in targets.tolist()]
        floors, rest = int64([pair[0] for pair in pairs]), int64([pair[1] for pair in pairs])
    # Nobody can pass its target: the scores F·a/A − g sum to the new steps, none exceeds a − g.
    return serve(floors - given, rest, targets, account_ids, new_steps)


def close_total(closed_master_steps: int, master_steps: int, sub_steps: int) -> int:
    """K = half_up(cumulative closed fraction of the master position × Σ sub-lots), in steps."""
    if not 0 <= closed_master_steps <= master_steps or master_steps == 0:
        raise InputError(
            "bad_close_volume",
            f"cannot close {closed_master_steps} steps of {master_steps}",
            closed_steps=closed_master_steps,
            open_steps=master_steps,
        )
    return half_up_div(closed_master_steps * sub_steps, master_steps)


def partial_close(
    positions: Int64Array,
    closed: Int64Array,
    closed_master_steps: int,
    master_steps: int,
    account_ids: Int64Array,
    min_steps: int = 1,
) -> Int64Array:
    """Steps to close now on each sub position, int64[n].

    positions: what the sub-accounts had when the master held `master_steps`; closed: what is
    closed of it so far; closed_master_steps: cumulative, this close included. After a detach pass
    the remaining positions and start again from closed = 0. What would leave less than
    `min_steps` open closes in full.
    """
    total = close_total(closed_master_steps, master_steps, exact_sum(int64(positions)))
    increments = apportion(positions, closed, total, account_ids)
    left = int64(positions) - int64(closed) - increments
    stub = (increments > 0) & (left > 0) & (left < min_steps)
    return increments + np.where(stub, left, 0)


def close_percent_each(
    positions: Int64Array, numerator: int, denominator: int, min_steps: int = 1
) -> Int64Array:
    """The other convention: the same fraction of every position, rounded down.

    Less than the minimum lot closes nothing; a partial close never closes a position in full.
    """
    if not 0 <= numerator <= denominator or denominator == 0:
        raise InputError("bad_close_volume", "a close is between 0 and 100 per cent")
    positions = int64(positions)
    if numerator == denominator:
        return positions.copy()
    if fits(max_abs(positions), numerator):
        steps = positions * numerator // denominator
    else:
        steps = int64([value * numerator // denominator for value in positions.tolist()])
    return np.where((steps < min_steps) | (steps >= positions), 0, steps)
