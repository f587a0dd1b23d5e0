"""Caps: how many steps each account may receive now, and which limit says so.

Every function gives int64[n] steps ≥ 0, rounded down. Money in minor units of one currency (the
account's or the common one), costs as `cost / cost_scale` minor units per step, so that a margin
or notional of a fraction of a minor unit is exact. `tightest` combines them for a request.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

import numpy as np

from apps.core.allocation.request import NO_CAP
from apps.core.allocation.rule import Reason
from apps.core.errors import InputError
from apps.core.ints import Int8Array, Int64Array, fits, int64, max_abs
from apps.core.money import Exact, exact


def tightest(
    size: int, limits: Iterable[tuple[Int64Array | int, Reason]]
) -> tuple[Int64Array, Int8Array]:
    """(cap_steps int64[n], cap_reason int8[n]): the smallest limit; of equal ones the first."""
    cap = np.full(size, NO_CAP, dtype=np.int64)
    reason = np.full(size, int(Reason.CAP_ACCOUNT), dtype=np.int8)
    for limit, why in limits:
        values = max(limit, 0) if isinstance(limit, int) else np.maximum(int64(limit), 0)
        np.putmask(reason, values < cap, int(why))
        np.minimum(cap, values, out=cap)
    return cap, reason


def open_room(most_steps: Int64Array | int, open_steps: Int64Array) -> Int64Array:
    """What a limit on open volume leaves: max(0, most − open)."""
    room: Int64Array = np.maximum(int64(most_steps) - int64(open_steps), 0)
    return room


def leverage_room(
    equity: Int64Array,
    open_notional: Int64Array,
    notional_per_step: Int64Array | int,
    max_leverage: Exact,
    cost_scale: int = 1,
) -> Int64Array:
    """floor((equity · max_leverage − open notional) / notional per step), at least 0."""
    ratio = _positive("max_leverage", max_leverage)
    return _room(
        equity, ratio.numerator, open_notional, ratio.denominator,
        notional_per_step, ratio.denominator, cost_scale,
    )  # fmt: skip


def margin_room(
    equity: Int64Array,
    used_margin: Int64Array,
    margin_per_step: Int64Array | int,
    min_level_percent: Exact,
    cost_scale: int = 1,
) -> Int64Array:
    """floor((equity / (L/100) − used) / margin per step), at least 0: the level stays ≥ L."""
    level = _positive("min_level_percent", min_level_percent) / 100
    return _room(
        equity, level.denominator, used_margin, level.numerator,
        margin_per_step, level.numerator, cost_scale,
    )  # fmt: skip


def _room(
    money: Int64Array,
    money_factor: int,
    used: Int64Array,
    used_factor: int,
    cost: Int64Array | int,
    cost_factor: int,
    scale: int,
) -> Int64Array:
    """max(0, floor((money·a − used·b)·scale / (cost·c))), exact on both sides of the guard."""
    money, used = int64(money), int64(used)
    costs = np.broadcast_to(int64(cost), money.shape)
    if bool(np.any(costs <= 0)):
        raise InputError("bad_unit_cost", "one step of volume costs more than nothing")
    bound = 2 * max(max_abs(money) * money_factor, max_abs(used) * used_factor)
    if fits(bound, scale) and fits(max_abs(costs), cost_factor):
        room = (money * money_factor - used * used_factor) * scale
        steps: Int64Array = np.clip(room // (costs * cost_factor), 0, NO_CAP)
        return steps
    rows = zip(money.tolist(), used.tolist(), costs.tolist(), strict=True)
    return int64(
        [
            min(
                max((has * money_factor - uses * used_factor) * scale // (takes * cost_factor), 0),
                NO_CAP,
            )
            for has, uses, takes in rows
        ]
    )


def _positive(name: str, value: Exact) -> Fraction:
    ratio = exact(value)
    if ratio <= 0:
        raise InputError("bad_limit", f"{name} is positive, not {value}", field=name)
    return ratio
