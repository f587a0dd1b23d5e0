"""Curves and candles: equity points, marks on account rows, M1 bars. Set-based, in a thread.

Not from the journal: quotes are not journaled, so these rows are recorded when they are seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import psycopg
import structlog

from apps.engine import sql
from apps.engine.bars import Candle
from apps.engine.frames import Marks
from apps.engine.instants import instant
from apps.engine.pgarray import register
from apps.engine.projector import connect
from apps.engine.session import ServerSession, now_ms

log = structlog.get_logger("engine.recorder")
BARS_EVERY_S = 5.0
CHANGED_EVERY_S = 5.0
"""Realised changes are recorded within this time, several as one point."""

POINTS: Final[LiteralString] = """
INSERT INTO {equity_point} (account_id, at, balance_minor, equity_minor)
SELECT account, %(at)s, balance, equity FROM unnest(%(accounts)s::bigint[],
    %(balance)s::bigint[], %(equity)s::bigint[]) AS r(account, balance, equity)
ON CONFLICT (account_id, at) DO NOTHING
"""

MARKS: Final[LiteralString] = """
UPDATE {account_state} s SET equity_minor = r.equity, floating_minor = r.floating,
    margin_minor = r.margin, marked_at = %(at)s
FROM unnest(%(accounts)s::bigint[], %(equity)s::bigint[], %(floating)s::bigint[],
    %(margin)s::bigint[]) AS r(account, equity, floating, margin)
WHERE s.account_id = r.account
"""

BARS: Final[LiteralString] = """
INSERT INTO {bar} AS b (server_id, symbol, at, open, high, low, close, ticks)
VALUES (%(server)s, %(symbol)s, %(at)s, %(open)s, %(high)s, %(low)s, %(close)s, %(ticks)s)
ON CONFLICT (server_id, symbol, at) DO UPDATE SET high = greatest(b.high, excluded.high),
    low = least(b.low, excluded.low), close = excluded.close,
    ticks = greatest(b.ticks, excluded.ticks)
"""


class Recorder:
    """One per broker. `marks` gives the last marking of each of its books."""

    def __init__(
        self,
        broker: str,
        marks: Callable[[], dict[UUID, Marks]],
        sessions: Callable[[], list[ServerSession]],
    ) -> None:
        self.broker = broker
        self._marks = marks
        self._sessions = sessions
        self._balances: dict[UUID, dict[int, int]] = {}

    async def run(self) -> None:
        last_minute = -1
        while True:
            await asyncio.sleep(BARS_EVERY_S)
            now = instant(now_ms()).replace(microsecond=0)
            whole = now.minute != last_minute
            last_minute = now.minute
            marks = dict(self._marks())
            candles = [
                (s.row.server_id, candle) for s in self._sessions() for candle in s.bars.take()
            ]
            try:
                await asyncio.to_thread(self._write, now, marks, candles, whole)
            except psycopg.Error as error:
                log.error("recorder_failed", broker=self.broker, error=str(error))

    def _write(
        self,
        now: datetime,
        marks: dict[UUID, Marks],
        candles: list[tuple[int, Candle]],
        whole: bool,
    ) -> None:
        with connect() as connection:
            register(connection)
            for book_id, mark in marks.items():
                with connection.transaction():  # never beside this book's projection
                    connection.execute(
                        sql.statement(self.broker, sql.LOCK_PROJECTION), {"book": book_id}
                    )
                    self._points(connection, now, book_id, mark, whole)
            with connection.transaction():
                for server_id, candle in candles:
                    self._bar(connection, server_id, candle)

    def _points(
        self,
        connection: psycopg.Connection[Any],
        now: datetime,
        book_id: UUID,
        mark: Marks,
        whole: bool,
    ) -> None:
        """All accounts at the turn of a minute, else those whose balance has changed."""
        balances = dict(zip(mark.account_ids.tolist(), mark.balance.tolist(), strict=True))
        before = self._balances.get(book_id, {})
        self._balances[book_id] = balances
        changed = [
            at
            for at, (account, balance) in enumerate(balances.items())
            if whole or before.get(account) != balance
        ]
        if not changed:
            return
        values = {
            "at": now,
            "accounts": mark.account_ids[changed],
            "balance": mark.balance[changed],
            "equity": mark.equity[changed],
            "floating": mark.floating[changed],
            "margin": mark.margin[changed],
        }
        connection.execute(sql.statement(self.broker, POINTS), values)
        connection.execute(sql.statement(self.broker, MARKS), values)

    def _bar(self, connection: psycopg.Connection[Any], server_id: int, candle: Candle) -> None:
        connection.execute(
            sql.statement(self.broker, BARS),
            {
                "server": server_id,
                "symbol": candle.symbol,
                "at": instant(candle.at_ms),
                "open": candle.open,
                "high": candle.high,
                "low": candle.low,
                "close": candle.close,
                "ticks": candle.ticks,
            },
        )
