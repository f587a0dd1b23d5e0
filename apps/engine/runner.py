"""The engine process: finds books, takes their leases, runs them, gives them up when told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import msgspec
import psycopg
import structlog
from django.conf import settings
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.engine import channels, discovery, sql
from apps.engine.actor import BookActor
from apps.engine.answers import Answers
from apps.engine.backfill import Backfill
from apps.engine.differences import EVERY_S
from apps.engine.discovery import BookRow, MapRow
from apps.engine.frames import Marks
from apps.engine.journal import Journal, LeaseLostError, Pool
from apps.engine.lease import HEARTBEAT_S, Leases
from apps.engine.projector import Projector
from apps.engine.publisher import Publisher
from apps.engine.reconciler import Reconciler
from apps.engine.recorder import Recorder
from apps.engine.requests import Requests
from apps.engine.session import ServerSession, now_ms
from apps.engine.venues import Venues

log = structlog.get_logger("engine")
DISCOVER_EVERY_S = 2.0
_RESTART_S = 1.0


@dataclass
class Running:
    """A book this engine holds."""

    actor: BookActor
    answers: Answers
    task: asyncio.Task[None]


@dataclass
class BrokerRuntime:
    """What is shared by the books of one broker."""

    slug: str
    journal: Journal
    projector: Projector
    tasks: list[asyncio.Task[None]] = field(default_factory=list)
    sessions: dict[int, ServerSession] = field(default_factory=dict)
    books: dict[UUID, Running] = field(default_factory=dict)
    maps: list[MapRow] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)
    """Server id → why it cannot be connected to as it is configured."""

    def epochs(self) -> dict[UUID, int]:
        return {book_id: running.actor.epoch for book_id, running in self.books.items()}


class Engine:
    """`only`: the brokers to serve (all when empty). `owner`: stable over restarts.
    `compare_every_s`: books with their servers."""

    def __init__(
        self, owner: str, only: list[str] | None = None, compare_every_s: float = EVERY_S
    ) -> None:
        self._compare_every_s = compare_every_s
        self.owner = owner
        self._only = set(only or [])
        self._brokers: dict[str, BrokerRuntime] = {}
        self._owned_before: set[UUID] = set()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; then gives its leases up."""
        pool: Pool = AsyncConnectionPool(
            sql.conninfo(),
            connection_class=AsyncConnection,
            kwargs={"autocommit": True},
            min_size=2,
            max_size=8,
            timeout=5,
            open=False,
        )
        redis = Redis.from_url(settings.REDIS_URL)
        await pool.open()
        self._pool, self._redis = pool, redis
        self._leases = Leases(pool, redis, self.owner)
        self._publisher = Publisher(redis, self._actors, self._sessions)
        requests = Requests(redis, self._by_key)
        loops = [
            asyncio.create_task(_for_ever("discover", self._discover)),
            asyncio.create_task(_for_ever("heartbeat", self._heartbeat)),
            asyncio.create_task(_for_ever("requests", requests.run)),
            asyncio.create_task(_for_ever("publisher", self._publisher.run)),
            asyncio.create_task(_for_ever("wake", self._listen)),
        ]
        log.info("engine_started", owner=self.owner)
        try:
            await asyncio.gather(*loops)
        finally:
            for loop in loops:
                loop.cancel()
            await self._stop()
            await redis.aclose()
            await pool.close()

    # -- views for the loops

    def _actors(self) -> list[BookActor]:
        return [r.actor for broker in self._brokers.values() for r in broker.books.values()]

    def _sessions(self) -> list[ServerSession]:
        return [s for broker in self._brokers.values() for s in broker.sessions.values()]

    def _by_key(self) -> dict[str, tuple[BookActor, Answers]]:
        return {
            channels.commands(r.actor.row.broker, r.actor.row.book_id): (r.actor, r.answers)
            for broker in self._brokers.values()
            for r in broker.books.values()
        }

    # -- loops

    async def _discover(self) -> None:
        while True:
            for slug in await discovery.in_thread(discovery.brokers):
                if not self._only or slug in self._only:
                    await self._look_at(slug)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), DISCOVER_EVERY_S)
            self._wake.clear()

    async def _listen(self) -> None:
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(channels.WAKE)
            async for message in pubsub.listen():
                if message["type"] == "message":
                    self._wake.set()

    async def _heartbeat(self) -> None:
        while True:
            for broker in list(self._brokers.values()):
                for book_id in await self._renew(broker):
                    log.error("lease_lost", broker=broker.slug, book=str(book_id))
                    await self._drop(broker, book_id)
                ready = {b for b, r in broker.books.items() if r.actor.ready.is_set()}
                await self._leases.announce(broker.slug, ready)
                await self._announce(broker)
            await asyncio.sleep(HEARTBEAT_S)

    async def _renew(self, broker: BrokerRuntime) -> set[UUID]:
        """The books that are lost. After an outage, or fenced, every pooled session is dead: they
        are replaced at once, not one by one as they fail."""
        try:
            return await self._leases.renew(broker.slug, broker.epochs())
        except psycopg.OperationalError as error:
            log.error("heartbeat_failed", broker=broker.slug, error=str(error))
            await self._pool.check()
            return await self._leases.renew(broker.slug, broker.epochs())

    async def _announce(self, broker: BrokerRuntime) -> None:
        """For the status page; forgotten by itself when this process dies."""
        status = {
            "owner": self.owner,
            "at_ms": now_ms(),
            "books": {str(b): r.actor.status() for b, r in broker.books.items()},
            "servers": {
                **{
                    str(s): "up" if await _is_up(one) else "away"
                    for s, one in broker.sessions.items()
                },
                **{str(s): code for s, code in broker.broken.items()},
            },
        }
        await self._redis.set(
            channels.status(broker.slug), msgspec.json.encode(status), ex=channels.LEASE_TTL_S
        )

    # -- brokers and books

    async def _look_at(self, slug: str) -> None:
        found = await discovery.in_thread(discovery.discover, slug)
        broker = self._brokers.get(slug)
        if broker is None:
            broker = self._brokers[slug] = self._start_broker(slug)
        broker.maps = found.maps
        for server_id, code in found.broken.items() - broker.broken.items():
            log.error("server_broken", broker=slug, server=server_id, code=code)
        broker.broken = found.broken
        for server in found.servers:
            if server.server_id not in broker.sessions:
                session = ServerSession(slug, server)
                broker.sessions[server.server_id] = session
                broker.tasks.append(
                    asyncio.create_task(_for_ever(f"server {server.name}", session.run))
                )
                broker.tasks.append(
                    asyncio.create_task(_for_ever(f"bars {server.name}", Backfill(session).run))
                )
        for row in found.books:
            if row.book_id not in broker.books and row.server_id in broker.sessions:
                await self._try_book(broker, row)
        for book_id in set(broker.books) - {row.book_id for row in found.books}:
            epoch = broker.books[book_id].actor.epoch
            await self._drop(broker, book_id)
            await self._leases.free(slug, {book_id: epoch})

    def _start_broker(self, slug: str) -> BrokerRuntime:
        projector = Projector(slug, lambda: any(a.is_committing for a in self._actors()))
        broker = BrokerRuntime(slug, Journal(self._pool, slug), projector)
        recorder = Recorder(
            slug, lambda: self._marks_of(broker), lambda: list(broker.sessions.values())
        )
        reconciler = Reconciler(
            slug,
            self._pool,
            lambda: [running.actor for running in broker.books.values()],
            self._compare_every_s,
        )
        broker.tasks.append(asyncio.create_task(_for_ever("projector", projector.run)))
        broker.tasks.append(asyncio.create_task(_for_ever("reconciler", reconciler.run)))
        broker.tasks.append(asyncio.create_task(_for_ever("recorder", recorder.run)))
        return broker

    def _marks_of(self, broker: BrokerRuntime) -> dict[UUID, Marks]:
        marks = self._publisher.marks
        return {book_id: marks[book_id] for book_id in broker.books if book_id in marks}

    async def _try_book(self, broker: BrokerRuntime, row: BookRow) -> None:
        # Only the first time may it be taken from a former self; later, another process with our
        # own name holds it, and then it is waited for like any other.
        epoch = await self._leases.take(
            broker.slug, row.book_id, steal_own=row.book_id not in self._owned_before
        )
        if epoch is None:
            return
        self._owned_before.add(row.book_id)
        answers = Answers(self._redis, broker.slug)
        actor = BookActor(
            row,
            epoch,
            broker.journal,
            Venues(broker.sessions[row.server_id], broker.sessions, lambda: broker.maps),
            answers,
            broker.projector.notify,
        )
        task = asyncio.create_task(self._run_book(broker, actor))
        broker.books[row.book_id] = Running(actor, answers, task)
        broker.projector.notify(row.book_id, 0)
        log.info("book_taken", broker=broker.slug, book=str(row.book_id), epoch=epoch)

    async def _run_book(self, broker: BrokerRuntime, actor: BookActor) -> None:
        """A book that fails is loaded again; one that was lost is left alone."""
        while True:
            announcing = asyncio.create_task(self._announce_when_ready(actor))
            try:
                await actor.run()
            except LeaseLostError as error:
                log.error("lease_lost", book=str(actor.row.book_id), detail=str(error))
                broker.books.pop(actor.row.book_id, None)
                broker.projector.forget(actor.row.book_id)
                return
            except Exception:
                log.exception("book_failed", book=str(actor.row.book_id))
                await asyncio.sleep(_RESTART_S)
            finally:
                announcing.cancel()

    async def _announce_when_ready(self, actor: BookActor) -> None:
        """Clients send from then on; before, they are told at once that nobody serves the book."""
        await actor.ready.wait()
        await self._leases.announce(actor.row.broker, {actor.row.book_id})

    async def _drop(self, broker: BrokerRuntime, book_id: UUID) -> None:
        running = broker.books.pop(book_id, None)
        broker.projector.forget(book_id)
        if running is not None:
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)

    async def _stop(self) -> None:
        for broker in self._brokers.values():
            held = broker.epochs()
            for book_id in list(held):
                await self._drop(broker, book_id)
            for task in broker.tasks:
                task.cancel()
            await asyncio.gather(*broker.tasks, return_exceptions=True)
            for session in broker.sessions.values():
                await session.close()
            with contextlib.suppress(Exception):
                await self._leases.free(broker.slug, held)
        log.info("engine_stopped")


async def _is_up(session: ServerSession) -> bool:
    return session.ready.is_set() and (await session.server.health()).up


async def _for_ever(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run `work`; when it fails, say so and run it again."""
    while True:
        try:
            await work()
        except (OSError, RedisError) as error:
            log.error("loop_failed", loop=name, error=repr(error))
        except Exception:
            log.exception("loop_failed", loop=name)
        await asyncio.sleep(_RESTART_S)
