"""Candles from before this engine looked: from the trading server's own history, once an hour.

A chart that starts empty tells nothing. What the engine recorded itself is never replaced.
"""

from __future__ import annotations

import asyncio
from typing import Final, LiteralString

import structlog

from apps.core.errors import ProrataError
from apps.engine import sql
from apps.engine.bars import MINUTE_MS
from apps.engine.instants import instant
from apps.engine.projector import connect
from apps.engine.session import ServerSession, now_ms
from apps.servers.types import Bar

log = structlog.get_logger("engine.backfill")
REACH_MS = 24 * 60 * MINUTE_MS
"""How far back: a day of minutes, at most 1,440 bars a symbol."""
EVERY_S = 3600.0
"""Closes a gap of a lost connection too."""
_PAUSE_S = 0.5
"""Between two symbols: orders pass through the same connection."""

MISSING_BARS: Final[LiteralString] = """
INSERT INTO {bar} (server_id, symbol, at, open, high, low, close, ticks)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (server_id, symbol, at) DO NOTHING
"""


class Backfill:
    """One per session."""

    def __init__(self, session: ServerSession) -> None:
        self._session = session

    async def run(self) -> None:
        """For ever: when the session is up, and every hour."""
        await self._session.wait_until_usable()
        while True:
            await self.fill(now_ms())
            await asyncio.sleep(EVERY_S)

    async def fill(self, at_ms: int) -> None:
        """Whole minutes of the day before `at_ms`. A symbol without an answer is left out."""
        session = self._session
        until_ms = at_ms - at_ms % MINUTE_MS  # the running minute is the recorder's
        for symbol in sorted(session.specs):
            try:
                bars = await session.server.bars(symbol, until_ms - REACH_MS, until_ms)
            except ProrataError as error:
                log.warning("no_history", server=session.row.name, symbol=symbol, code=error.code)
                continue
            await asyncio.to_thread(
                write_missing, session.broker, session.row.server_id, symbol, bars
            )
            await asyncio.sleep(_PAUSE_S)


def write_missing(broker: str, server_id: int, symbol: str, bars: list[Bar]) -> None:
    """Insert the minutes that have no candle yet."""
    with connect() as connection, connection.transaction(), connection.cursor() as cursor:
        cursor.executemany(
            sql.statement(broker, MISSING_BARS),
            [
                (
                    server_id,
                    symbol,
                    instant(bar.at_ms),
                    bar.open,
                    bar.high,
                    bar.low,
                    bar.close,
                    bar.ticks,
                )
                for bar in bars
            ],
        )
