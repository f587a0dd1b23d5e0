"""Trading sessions: when a symbol can be traded, by the week, in UTC."""

from __future__ import annotations

Sessions = tuple[tuple[int, int], ...]
"""[from, to) in minutes since Monday 00:00 UTC; empty: always. One that runs over the end of the
week is given as two."""

WEEK_MINUTES = 7 * 24 * 60
_EPOCH_MINUTE = 3 * 24 * 60  # 1970-01-01 was a Thursday


def minute_of_week(at_ms: int) -> int:
    """Minutes since the last Monday 00:00 UTC."""
    return (at_ms // 60_000 + _EPOCH_MINUTE) % WEEK_MINUTES


def is_open(sessions: Sessions, at_ms: int) -> bool:
    """Whether one of the sessions runs at `at_ms` (UTC)."""
    minute = minute_of_week(at_ms)
    return not sessions or any(begins <= minute < ends for begins, ends in sessions)
