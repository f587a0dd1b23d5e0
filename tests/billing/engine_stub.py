"""A stand-in for the engine that speaks its protocol over the real Redis."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import msgspec
import redis
from django.conf import settings
from django.db import connection

from apps.engine import channels
from apps.engine.messages import Failure, Outcome, Reply, Request

Answer = Reply | None  # None: no answer at all
Handler = Callable[[Any], Answer]


def done(**result: Any) -> Reply:
    return Reply(outcome=Outcome(seq=1, result=result))


def refused(kind: str, code: str, message: str = "") -> Reply:
    return Reply(failure=Failure(kind=kind, code=code, message=message))


@contextmanager
def engine(broker: str, book_id: UUID, handler: Handler) -> Iterator[list[Any]]:
    """Holds the book's lease and answers each command by `handler`; yields what it was asked."""
    store = redis.Redis.from_url(settings.REDIS_URL)
    store.set(channels.lease(broker, book_id), "test", ex=60)
    asked: list[Any] = []
    stop = threading.Event()

    def serve() -> None:
        try:
            while not stop.is_set():
                found: Any = store.brpop([channels.commands(broker, book_id)], timeout=0.2)
                if not found:
                    continue
                request = msgspec.msgpack.decode(found[1], type=Request)
                asked.append(request.command)
                answer = handler(request.command)
                if answer is not None:
                    store.lpush(
                        channels.reply(broker, request.request_id), msgspec.msgpack.encode(answer)
                    )
        finally:
            connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join()
        store.delete(channels.lease(broker, book_id), channels.commands(broker, book_id))
        store.close()
