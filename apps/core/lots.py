"""Lots and steps: volume is whole steps of the symbol's volume_step wherever it is computed."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import floor

from apps.core.errors import InputError
from apps.core.ints import half_up
from apps.core.money import Exact, exact


def steps_of(lots: Exact, volume_step: Exact) -> int:
    """Whole steps of `lots`; InputError `not_a_multiple_of_step` when it is not a multiple."""
    steps = exact(lots) / _positive(volume_step)
    if steps.denominator != 1:
        raise InputError(
            "not_a_multiple_of_step",
            f"{lots} lots is not a multiple of the volume step {volume_step}",
            lots=str(lots),
            volume_step=str(volume_step),
        )
    return steps.numerator


def steps_down(lots: Exact, volume_step: Exact) -> int:
    """Whole steps at or below `lots`: what a limit allows."""
    return floor(exact(lots) / _positive(volume_step))


def steps_nearest(lots: Exact, volume_step: Exact) -> int:
    """The nearest whole steps, half-up away from zero."""
    return half_up(exact(lots) / _positive(volume_step))


def lots_of(steps: int, volume_step: Decimal) -> Decimal:
    """Lots of whole steps, with the decimals of the step."""
    return volume_step * steps


def _positive(volume_step: Exact) -> Fraction:
    step = exact(volume_step)
    if step <= 0:
        raise InputError("bad_volume_step", "a volume step is positive", step=str(volume_step))
    return step
