"""From a case to a verdict: which output every expected key means, and whether it agrees."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apps.core.cases import (
    allocation_ops,
    fees_ops,
    fills_ops,
    fraud_ops,
    metrics_ops,
    pnl_ops,
    protection_ops,
)
from apps.core.cases.case import PRIMARY, Case, Outputs, names_in, options_of
from apps.core.cases.compare import MISSING, Mismatch, Tolerance, mismatches
from apps.core.errors import ProrataError

Op = Callable[[Case], Outputs]

OPS: dict[str, Op] = {
    **allocation_ops.OPS,
    **fills_ops.OPS,
    **pnl_ops.OPS,
    **fees_ops.OPS,
    **metrics_ops.OPS,
    **protection_ops.OPS,
    **fraud_ops.OPS,
}

# Said about the file, not computed.
LEGENDS = frozenset({"note", "notes", "comment"})


def evaluate(raw: Mapping[str, Any]) -> list[Mismatch]:
    """Every mismatch of one case; an op that is unknown or fails is one."""
    name = str(raw.get("op", ""))
    op = OPS.get(name)
    if op is None:
        return [Mismatch("op", "a known op", name)]
    expected = raw.get("expected") or {}
    if not expected:
        return [Mismatch("expected", "something to compare with", "nothing")]
    tolerance = Tolerance.parse(raw.get("tolerance"))
    names = names_in(expected)
    problems: list[Mismatch] = []
    for key, value in expected.items():
        if key in LEGENDS:
            continue
        prefix, options = options_of(key)
        try:
            outputs = op(Case(raw.get("inputs") or {}, options, names))
        except (ProrataError, LookupError, TypeError, ValueError, ArithmeticError) as error:
            problems.append(Mismatch(key, value, f"{type(error).__name__}: {error}"))
            continue
        found = _meant(outputs, prefix, value, optional=bool(options))
        differing = mismatches(key, value, found, tolerance)
        if "wrong" in key:
            # A trap: what is written there is what must not come out.
            differing = _fallen_into(key, value, found, tolerance)
        problems.extend(differing)
    return problems


def _fallen_into(key: str, trap: Any, found: Any, tolerance: Tolerance) -> list[Mismatch]:
    """A mismatch when `found` is the trap; a trap that is a shorter list is compared so far."""
    if isinstance(trap, list) and isinstance(found, list):
        found = found[: len(trap)]
    if found is not MISSING and mismatches(key, trap, found, tolerance):
        return []
    return [Mismatch(key, "anything but that", found)]


def _meant(outputs: Outputs, prefix: str, expected: Any, *, optional: bool) -> Any:
    """The output a key stands for: by name, or under options the primary one."""
    primary = outputs.get(PRIMARY, MISSING)
    if prefix and prefix in outputs:
        return outputs[prefix]
    if not optional:
        return primary.get(prefix, MISSING) if isinstance(primary, Mapping) else MISSING
    if isinstance(expected, Mapping):
        inner = primary if isinstance(primary, Mapping) else {}
        return {**inner, **outputs}
    return primary
