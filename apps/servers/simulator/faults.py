"""Faults for drills, armed by an admin request on a simulator started with `--faults`.

lose_ack        the next command is done, its answer is never sent
delay           the answer to the next command waits `delay_ms`
drop_before     the connection is cut before the next command is looked at
drop_after      the next command is done, then the connection is cut
duplicate_fill  the next fill is told twice (same deal id, another seq)
reorder         the next order's fill is told before its OrderAccepted
partial         the next order is filled `steps` at a time, one part per quote
late_fill       the next order cancelled has crossed with a fill of `steps`, told after its end
"""

from __future__ import annotations

from apps.core.errors import InputError
from apps.servers.simulator.messages import Fault

KINDS = frozenset(
    {
        "lose_ack",
        "delay",
        "drop_before",
        "drop_after",
        "duplicate_fill",
        "reorder",
        "partial",
        "late_fill",
    }
)
_WITH_STEPS = ("partial", "late_fill")


class Faults:
    """The armed faults of one named server, used up in the order they were armed."""

    def __init__(self) -> None:
        self._armed: dict[str, list[Fault]] = {}

    def arm(self, fault: Fault) -> None:
        """InputError `fault_invalid`."""
        needs_steps = fault.kind in _WITH_STEPS and fault.steps < 1
        if fault.kind not in KINDS or fault.count < 1 or fault.delay_ms < 0 or needs_steps:
            raise InputError("fault_invalid", f"no such fault: {fault}", kinds=sorted(KINDS))
        self._armed.setdefault(fault.kind, []).extend([fault] * fault.count)

    def take(self, kind: str) -> Fault | None:
        waiting = self._armed.get(kind)
        return waiting.pop(0) if waiting else None
