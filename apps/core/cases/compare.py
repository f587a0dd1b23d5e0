"""Comparing an expected value with what was found, under a case's tolerance."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from apps.core.cases.case import decimals_of, number
from apps.core.money import round_money

MISSING = object()
_NUMERAL = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")


class Tolerance(NamedTuple):
    """amount 0: equal after formatting to the digits shown."""

    amount: Fraction
    relative: bool

    @classmethod
    def parse(cls, text: Any) -> Tolerance:
        """ "0", "0.0001", "1e-6 relative"."""
        words = str(text if text is not None else "0").split()
        return cls(number(words[0]), "relative" in words[1:])


class Mismatch(NamedTuple):
    path: str
    expected: Any
    found: Any


def mismatches(path: str, expected: Any, found: Any, tolerance: Tolerance) -> list[Mismatch]:
    """Every leaf that differs; an expected mapping may name fewer keys than were found."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return [
            problem
            for key, value in expected.items()
            for problem in mismatches(f"{path}.{key}", value, found.get(key, MISSING), tolerance)
        ]
    if isinstance(expected, list) and isinstance(found, list | tuple):
        if len(expected) != len(found):
            return [Mismatch(path, expected, found)]
        return [
            problem
            for index, (left, right) in enumerate(zip(expected, found, strict=True))
            for problem in mismatches(f"{path}[{index}]", left, right, tolerance)
        ]
    return [] if _same(expected, found, tolerance) else [Mismatch(path, expected, found)]


def _same(expected: Any, found: Any, tolerance: Tolerance) -> bool:
    if found is MISSING:
        return False
    if expected is None or isinstance(expected, bool) or isinstance(found, bool):
        return expected is found
    if not _numeric(expected) or not _numeric(found):
        return str(expected) == str(found)
    wanted, value = number(expected), number(found)
    if tolerance.relative:
        return abs(wanted - value) <= tolerance.amount * abs(wanted)
    if abs(wanted - value) <= tolerance.amount:
        return True
    # What is written says nothing below its last digit, whatever the tolerance.
    digits = decimals_of(expected)
    return isinstance(expected, str) and shown(value, digits) == shown(wanted, digits)


def _numeric(value: Any) -> bool:
    if isinstance(value, str):
        return _NUMERAL.fullmatch(value.strip()) is not None
    return isinstance(value, int | float | Decimal | Fraction)


def shown(value: Any, digits: int) -> str:
    """A number with `digits` decimals, half-up; zero has no sign."""
    return str(round_money(number(value), digits))


def display(value: Any) -> str:
    """For people: fractions as decimals."""
    if value is MISSING:
        return "(nothing)"
    if isinstance(value, Fraction):
        return str(float(value)) if value.denominator != 1 else str(value.numerator)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {display(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(display(item) for item in value) + "]"
    return str(value)
