"""Leases: which books this engine owns, in PostgreSQL; and for all to see, in Redis."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

import structlog
from redis.asyncio import Redis

from apps.engine import channels, sql
from apps.engine.journal import Pool

log = structlog.get_logger("engine.lease")
EXPIRY_S = 5.0
"""A lease not renewed for this long may be taken by another engine."""
HEARTBEAT_S = 1.0


class Leases:
    """One engine's leases. `owner` is stable over restarts: it may take its own at once."""

    def __init__(self, pool: Pool, redis: Redis, owner: str) -> None:
        self._pool = pool
        self._redis = redis
        self.owner = owner

    async def take(self, broker: str, book_id: UUID, *, steal_own: bool) -> int | None:
        """The new epoch, or None while another engine holds the book.

        `steal_own`: a lease with our own name is a former self's and may be taken at once. The
        former owner's database sessions are ended first: frozen inside a transaction, it would
        keep its locks, and whoever follows would wait for as long as it is frozen.
        """
        parameters = {
            "book": book_id,
            "owner": self.owner,
            "sessions": sql.SESSIONS,
            "expiry_s": EXPIRY_S,
            "steal_own": steal_own,
        }
        async with self._pool.connection() as connection:
            held = await connection.execute(sql.statement(broker, sql.IS_HELD), parameters)
            if await held.fetchone() == (True,):
                return None
            ended = await connection.execute(sql.statement(broker, sql.FENCE), parameters)
            if ended.rowcount:
                log.warning("former_owner_fenced", book=str(book_id), sessions=ended.rowcount)
            cursor = await connection.execute(sql.statement(broker, sql.TAKE_LEASE), parameters)
            row = await cursor.fetchone()
        return int(row[0]) if row else None

    async def renew(self, broker: str, held: Mapping[UUID, int]) -> set[UUID]:
        """Renew all `held` (book → epoch); the books that are lost."""
        if not held:
            return set()
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                sql.statement(broker, sql.RENEW_LEASES),
                {"books": list(held), "epochs": list(held.values())},
            )
            kept = {row[0] for row in await cursor.fetchall()}
        return set(held) - kept

    async def announce(self, broker: str, books: set[UUID]) -> None:
        """Tell clients that these books are served; forgotten by itself when we die."""
        pipeline = self._redis.pipeline(transaction=False)
        for book_id in books:
            pipeline.set(channels.lease(broker, book_id), self.owner, ex=channels.LEASE_TTL_S)
        await pipeline.execute()

    async def free(self, broker: str, held: Mapping[UUID, int]) -> None:
        """A clean stop: others may take over now."""
        if not held:
            return
        async with self._pool.connection() as connection:
            await connection.execute(
                sql.statement(broker, sql.FREE_LEASES),
                {"books": list(held), "epochs": list(held.values())},
            )
        await self._redis.delete(*(channels.lease(broker, book_id) for book_id in held))
