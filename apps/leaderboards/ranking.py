"""Order of a leaderboard, pure and total: equal figures never swap places between two runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from apps.leaderboards.performance import Performance

MIN_TRADES = 10


@dataclass(frozen=True, slots=True)
class Entry:
    """A master's performance from one source."""

    master_id: int
    master_public_id: UUID
    is_live: bool
    performance: Performance


def ranked(entries: Sequence[Entry]) -> list[Entry]:
    """Best first: what we saw ourselves before what was imported, samples of at least MIN_TRADES
    before smaller ones; then by gain, shallower drawdown, more trades, and the master's id."""
    return sorted(entries, key=_key)


def _key(entry: Entry) -> tuple[bool, bool, float, float, int, UUID]:
    performance = entry.performance
    return (
        not entry.is_live,
        performance.trades < MIN_TRADES,
        -performance.gain,
        -performance.max_drawdown,
        -performance.trades,
        entry.master_public_id,
    )
