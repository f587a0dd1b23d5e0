"""Trades from outside and late fills, put in order: those missed while no engine listened first."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from apps.core.book.commands import AnyStimulus, FillReported, OutsideFill


class OutsideTrades:
    """Holds back what is told until the missed ones are told too, then passes on at once.

    A closing must not overtake its opening: both the live and the repeated stream come here.
    """

    def __init__(self, tell: Callable[[AnyStimulus], None]) -> None:
        self._tell = tell
        self._held: dict[UUID, OutsideFill | FillReported] | None = {}

    def take(self, fill: OutsideFill | FillReported) -> None:
        if self._held is None:
            self._tell(fill)
        else:
            self._held[fill.command_id] = fill

    def begin(self) -> None:
        """Everything missed has been told."""
        held, self._held = self._held or {}, None
        for fill in sorted(held.values(), key=lambda one: one.server_seq):
            self._tell(fill)
