"""Re-marking a whole book: one integer product per frame, however many tickets there are.

Tickets are folded into net steps per (symbol, account), int64[S, A], symbol-major. A frame moves
every account's equity by Σ over symbols of net · Δpoints · value, in fixed point: `SCALE` parts of
a minor unit, so that nothing drifts but the rounding of the value itself (half of 10⁻⁶ minor unit
per point and step). For what people watch; whatever is decided or posted comes from `pnl`.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from apps.core.ints import Int64Array, fits, half_up, int64, max_abs, scale_half_up

SCALE = 1_000_000


class Bounded(NamedTuple):
    """An int64 array and its largest absolute value, known once instead of at every frame."""

    values: Int64Array
    largest: int


def fold(
    symbols: Int64Array, accounts: Int64Array, signed_steps: Int64Array, shape: tuple[int, int]
) -> Bounded:
    """Net steps [S, A] of n tickets: symbol index, account index, side · steps (each int64[n])."""
    net = np.zeros(shape, dtype=np.int64)
    np.add.at(net, (symbols, accounts), signed_steps)
    return Bounded(net, max_abs(net.reshape(-1)))


def weights(values: list[Fraction]) -> Bounded:
    """[S] minor units per point and step (`pnl.minor_per_point_step`), in fixed point."""
    scaled = int64([half_up(value * SCALE) for value in values])
    return Bounded(scaled, max_abs(scaled))


def remark(equity: Int64Array, net: Bounded, moves_points: Int64Array, value: Bounded) -> None:
    """Add the frame's move to `equity` (int64[A], fixed point, below 2**62) in place.

    moves_points: int64[S], the change of each symbol's price since the frame before. Raises
    OverflowError where the move might pass int64; nothing is changed then.
    """
    if not fits(max_abs(moves_points), value.largest, net.largest, moves_points.size):
        raise OverflowError("a frame's move does not fit int64: mark it in smaller parts")
    equity += np.einsum("s,sa->a", moves_points * value.values, net.values)


def shown(equity: Int64Array) -> npt.NDArray[np.int64]:
    """Fixed point in whole minor units, half away from zero."""
    return scale_half_up(equity, 1, SCALE)
