"""Replays quote files into a running simulator at their own pace, or a multiple of it."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from apps.core.errors import InputError
from apps.servers.simulator.admin import open_admin
from apps.servers.simulator.quotefiles import QuoteFile, SourceTick
from apps.servers.simulator.wire import QuoteRow

BATCH_ROWS = 500
TURN_MS = 20  # ticks that are due within this travel together


class Scheduled(NamedTuple):
    due_ms: float  # after the start of the replay
    row: QuoteRow


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    ticks: int
    symbols: tuple[str, ...]
    elapsed_s: float


def schedule(files: Iterable[QuoteFile], *, speed: float, max_gap_s: float) -> Iterator[Scheduled]:
    """All ticks in the order they are due.

    Symbols play side by side, each from its own first quote, `speed` times as fast as they came
    (0: without any pause). A pause (a night, a weekend) is cut to `max_gap_s` of real time.
    """
    by_symbol: dict[str, list[SourceTick]] = {}
    for file in files:
        by_symbol.setdefault(file.symbol, []).extend(file.ticks)
    streams = [
        _stream(symbol, sorted(ticks, key=lambda tick: tick.source_ms), speed, max_gap_s)
        for symbol, ticks in by_symbol.items()
    ]
    return heapq.merge(*streams, key=lambda scheduled: scheduled.due_ms)


def _stream(
    symbol: str, ticks: list[SourceTick], speed: float, max_gap_s: float
) -> Iterator[Scheduled]:
    due_ms = 0.0
    last_ms = ticks[0].source_ms if ticks else 0
    for tick in ticks:
        if speed > 0:
            due_ms += min((tick.source_ms - last_ms) / speed, max_gap_s * 1000)
        last_ms = tick.source_ms
        yield Scheduled(due_ms, (symbol, tick.bid, tick.ask, 0, tick.source_ms))


async def replay(
    files: list[QuoteFile],
    *,
    url: str,
    speed: float = 1.0,
    max_gap_s: float = 30.0,
    admin_token: str = "",
) -> ReplaySummary:
    """Feeds the simulator at `url`; while it runs, generated quotes of these symbols pause.

    Raises InputError `replay_speed`, UnavailableError (no simulator), ForbiddenError (its admin
    token), InputError `feed_taken` when another feed took a symbol over meanwhile.
    """
    if speed < 0 or max_gap_s <= 0:
        raise InputError("replay_speed", "speed is 0 (no pauses) or more; the longest gap above 0")
    symbols = tuple(dict.fromkeys(file.symbol for file in files))
    started_s = time.monotonic()
    fed = 0
    async with open_admin(url, admin_token=admin_token) as admin:
        await admin.feed_start(symbols)
        batch: list[QuoteRow] = []
        for due_ms, row in schedule(files, speed=speed, max_gap_s=max_gap_s):
            wait_ms = due_ms - (time.monotonic() - started_s) * 1000
            if batch and (wait_ms > 0 or len(batch) >= BATCH_ROWS):
                fed += await admin.feed_quotes(batch)
                batch = []
            if wait_ms > 0:
                await asyncio.sleep(max(wait_ms, TURN_MS) / 1000)
            batch.append(row)
        if batch:
            fed += await admin.feed_quotes(batch)
    return ReplaySummary(fed, symbols, time.monotonic() - started_s)
