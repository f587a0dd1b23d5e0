"""The engine's eye on limits: watches every marking, begins days, moves stops on.

The book decides; this only notices, and remembers the highest equities between two records.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import uuid4, uuid5
from zoneinfo import ZoneInfo

import numpy as np

from apps.core.book.commands import (
    AdvanceStops,
    AnyStimulus,
    Heights,
    ReachLimits,
    SeePeaks,
    StartDay,
)
from apps.core.book.market import Market
from apps.core.book.risk.stopping import due_steps
from apps.core.book.risk.watching import Watch
from apps.core.book.state import BookState
from apps.engine.frames import Marks

_AGAIN_MS = 1_000
"""What came to nothing is told again after this."""
_PEAKS_EVERY_MS = 2_000
_DAY_AGAIN_MS = 60_000


class Guard:
    """For one book. `tell` puts into its inbox."""

    def __init__(self, tell: Callable[[AnyStimulus], None], time_zone: str) -> None:
        self._tell = tell
        self._zone = ZoneInfo(time_zone)
        self._watch: Watch | None = None
        self._watched_seq = -1
        self._told: dict[str, tuple[int, int]] = {}
        self._peaks_ms = 0

    def look(self, state: BookState, seq: int, marks: Marks, market: Market) -> None:
        """Compare a marking with the limits. Nothing when an open symbol was never quoted."""
        risk = state.risk
        if not risk.references.size and not risk.master_reference.size:
            self._watch = None
            return
        if any(market.last(name) is None for name in state.exposures):
            return
        if self._watch is None or self._watched_seq != seq:
            self._watch, self._watched_seq = Watch(state, self._watch), seq
        worth = np.zeros(state.members.size, dtype=np.int64)
        worth[marks.places] = marks.equity
        heights = self._watch.look(state, worth, marks.sum_minor(state, market))
        if heights.account_ids.size and self._may_tell("limits", seq, market.now_ms):
            self._tell(ReachLimits(command_id=uuid4(), heights=heights))
        self._keep_peaks(state, market.now_ms)

    def _keep_peaks(self, state: BookState, at_ms: int) -> None:
        if self._watch is None or at_ms - self._peaks_ms < _PEAKS_EVERY_MS:
            return
        self._peaks_ms = at_ms
        risen: Heights = self._watch.risen(state)
        if risen.account_ids.size:
            self._tell(SeePeaks(command_id=uuid4(), heights=risen))

    def check(self, state: BookState, seq: int, at_ms: int) -> None:
        """What time alone asks for: the next step of stops, the next day."""
        if is_step_due(state, at_ms) and self._may_tell("steps", seq, at_ms):
            self._tell(AdvanceStops(command_id=uuid4()))
        if not state.risk.has_limits:
            return
        day = self.day(at_ms)
        if day > state.risk.day and self._may_tell("day", 0, at_ms, _DAY_AGAIN_MS):
            self._tell(StartDay(command_id=uuid5(state.book_id, f"day:{day}:{at_ms}"), day=day))

    def day(self, at_ms: int) -> str:
        """The date in the broker's time zone."""
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(self._zone).date().isoformat()

    def _may_tell(self, what: str, seq: int, at_ms: int, again_ms: int = _AGAIN_MS) -> bool:
        """Once per record, and again after a while."""
        last_seq, last_ms = self._told.get(what, (-1, 0))
        if last_seq == seq and at_ms - last_ms < again_ms:
            return False
        self._told[what] = seq, at_ms
        return True


def is_step_due(state: BookState, at_ms: int) -> bool:
    return next(iter(due_steps(state, at_ms)), None) is not None
