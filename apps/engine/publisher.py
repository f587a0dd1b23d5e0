"""Ten times a second: triggers, frames of books where something changed, quotes. To Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.core.book.market import Market
from apps.engine import channels
from apps.engine.actor import BookActor
from apps.engine.due import QUOTE_MAX_AGE_MS
from apps.engine.frames import Marks, make_frame, quote_frame
from apps.engine.session import ServerSession, now_ms

log = structlog.get_logger("engine.publisher")
INTERVAL_S = 0.1
IDLE_FRAME_MS = 1_000
"""A book is marked this often though nothing moves: silence of the engine means trouble."""
_encoder = msgspec.msgpack.Encoder()


class Publisher:
    """One for the process. `marks` keeps the last marking of each book for the recorder."""

    def __init__(
        self,
        redis: Redis,
        actors: Callable[[], Iterable[BookActor]],
        sessions: Callable[[], Iterable[ServerSession]],
    ) -> None:
        self._redis = redis
        self._actors = actors
        self._sessions = sessions
        self._shown: dict[UUID, tuple[int, int]] = {}
        self.marks: dict[UUID, Marks] = {}

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self._publish()
            except RedisError as error:
                log.warning("redis_lost", error=str(error))
            # A process that marks a lot marks less often.
            await asyncio.sleep(max(INTERVAL_S - (loop.time() - began), 0))

    async def _publish(self) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        at_ms = now_ms()
        changed: dict[ServerSession, set[str]] = {}
        # Books of one server see the same quotes: what they are converted to is the same too.
        markets: dict[ServerSession, Market] = {}
        for session in list(self._sessions()):
            changed[session], session.changed = session.changed, set()
            markets[session] = Market(dict(session.quotes), at_ms, QUOTE_MAX_AGE_MS)
            self._quotes(pipeline, session, changed[session], at_ms)
        for actor in list(self._actors()):
            actor.check_triggers()
            market = self._market(actor, markets, at_ms)
            if market is None or actor.state is None:
                continue
            began_s = time.thread_time()
            moved = actor.venues.changed(actor.state, changed)
            if self._frame(pipeline, actor, market, moved):
                # Orders come first: between two books, as much time as the first has taken.
                await asyncio.sleep(time.thread_time() - began_s)
        if len(pipeline):
            await pipeline.execute()

    @staticmethod
    def _market(
        actor: BookActor, markets: dict[ServerSession, Market], at_ms: int
    ) -> Market | None:
        """The one of the master's server, shared; a book with accounts elsewhere has its own."""
        quotes = actor.quotes()
        if quotes is actor.session.quotes:
            return markets.get(actor.session)
        return Market(quotes, at_ms, QUOTE_MAX_AGE_MS)

    def _quotes(
        self, pipeline: Redis, session: ServerSession, changed: set[str], at_ms: int
    ) -> None:
        if not changed:
            return
        data = _encoder.encode(quote_frame(session, changed, at_ms))
        pipeline.publish(channels.quotes(session.broker, session.row.server_id), data)
        pipeline.sadd(channels.quoting(session.broker), session.row.server_id)
        whole = _encoder.encode(quote_frame(session, set(session.quotes), at_ms))
        pipeline.set(channels.quotes_latest(session.broker, session.row.server_id), whole)

    def _frame(self, pipeline: Redis, actor: BookActor, market: Market, changed: set[str]) -> bool:
        """Whether a frame was made: the book or its quotes have changed, or it is time."""
        state, at_ms = actor.state, market.now_ms
        if state is None or actor.is_committing:
            return False
        changes, shown_ms = self._shown.get(actor.row.book_id, (-1, 0))
        is_due = actor.changes != changes or bool(changed & state.exposures.keys())
        is_idle = at_ms - shown_ms >= IDLE_FRAME_MS
        if not is_due and not is_idle:
            return False
        frame, marks = make_frame(state, market, epoch=actor.epoch, seq=actor.seq)
        actor.guard.look(state, actor.seq, marks, market)
        data = _encoder.encode(frame)
        pipeline.set(channels.frame(actor.row.broker, actor.row.book_id), data)
        pipeline.publish(channels.frames(actor.row.broker, actor.row.book_id), data)
        self._shown[actor.row.book_id] = (actor.changes, at_ms)
        self.marks[actor.row.book_id] = marks
        return True
