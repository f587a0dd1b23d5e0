"""Keeps projections up in the background: in a thread, in chunks, giving way to the journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import psycopg
import structlog
from psycopg.rows import TupleRow

from apps.engine import sql
from apps.engine.projection import Projection

log = structlog.get_logger("engine.projector")
PAUSE_S = 0.005
YIELD_S = 0.02
_RETRY_S = 1.0


def connect() -> psycopg.Connection[TupleRow]:
    """A connection of one's own for SQL by full names, autocommit."""
    # The vectors of a block of 100,000 stay in memory instead of going through a temporary file.
    return psycopg.connect(sql.conninfo(), autocommit=True, options="-c work_mem=64MB")


class Projector:
    """One per broker. `is_busy` tells whether orders are being committed right now."""

    def __init__(self, broker: str, is_busy: Callable[[], bool]) -> None:
        self.broker = broker
        self._is_busy = is_busy
        self._behind: dict[UUID, int] = {}
        self._wake = asyncio.Event()

    def notify(self, book_id: UUID, seq: int) -> None:
        """There is a record `seq` to project."""
        self._behind[book_id] = seq
        self._wake.set()

    def forget(self, book_id: UUID) -> None:
        """The book is another engine's now: it projects it."""
        self._behind.pop(book_id, None)

    async def run(self) -> None:
        while True:
            try:
                connection = await asyncio.to_thread(connect)
                try:
                    await self._work(Projection(connection, self.broker))
                finally:
                    connection.close()
            except psycopg.Error as error:
                log.error("projector_failed", broker=self.broker, error=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _work(self, projection: Projection) -> None:
        while True:
            if not self._behind:
                self._wake.clear()
                await self._wake.wait()
            for book_id in list(self._behind):
                seq = self._behind.pop(book_id)
                try:
                    count = await asyncio.to_thread(projection.project, book_id)
                except BaseException:
                    self._behind.setdefault(book_id, seq)
                    raise
                if count:
                    self._behind.setdefault(book_id, seq)
                await asyncio.sleep(YIELD_S if self._is_busy() else PAUSE_S)
