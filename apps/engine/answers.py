"""Answers to who asked, after the commit; sent in the background so that a book never waits."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.core.book.commands import AdjustBalance, AnyStimulus, BalanceReported
from apps.core.book.records import Body, refusal
from apps.core.errors import ProrataError
from apps.engine import channels
from apps.engine.messages import Failure, JoinQuote, Outcome, Preview, Reply, StopPreview

log = structlog.get_logger("engine.answers")
_encoder = msgspec.msgpack.Encoder()


class Answers:
    """For one book. A balance operation is answered when the server has settled it."""

    def __init__(self, redis: Redis, broker: str) -> None:
        self._redis = redis
        self._broker = broker
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiting: dict[UUID, list[str]] = {}

    def committed(self, request_id: str | None, seq: int, body: Body) -> None:
        """A record is durable: answer who asked for it, or who waited for it."""
        if isinstance(body.stimulus, BalanceReported):
            self._settle(body.stimulus.operation_id, seq, body)
            return
        if request_id is None:
            return
        if isinstance(body.stimulus, AdjustBalance) and refusal(body) is None:
            self.wait(body.stimulus.command_id, request_id)
            return
        self._send(request_id, _reply(seq, body))

    def repeated(
        self,
        request_id: str | None,
        stimulus: AnyStimulus,
        seq: int,
        body: Body,
        *,
        is_same: bool,
    ) -> None:
        """This command id has an outcome: give it, or refuse other content under the same id."""
        if request_id is None:
            return
        if not is_same:
            failure = Failure(
                kind="ConflictError",
                code="command_id_reused",
                message="This command id was used for another command.",
                details={"command_id": str(stimulus.command_id)},
            )
            self._send(request_id, Reply(failure=failure))
            return
        self._send(request_id, _as_repeat(_reply(seq, body)))

    def wait(self, operation_id: UUID, request_id: str) -> None:
        """Answer when this balance operation is settled."""
        self._waiting.setdefault(operation_id, []).append(request_id)

    def failed(self, request_id: str, error: ProrataError) -> None:
        self._send(request_id, Reply(failure=_failure(error)))

    def previewed(self, request_id: str, preview: Preview) -> None:
        self._send(request_id, Reply(preview=preview))

    def stop_previewed(self, request_id: str, stop: StopPreview) -> None:
        self._send(request_id, Reply(stop=stop))

    def quoted(self, request_id: str, quote: JoinQuote) -> None:
        self._send(request_id, Reply(join=quote))

    def in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _settle(self, operation_id: UUID, seq: int, body: Body) -> None:
        reply = _reply(seq, body)
        for request_id in self._waiting.pop(operation_id, []):
            self._send(request_id, reply)

    def _send(self, request_id: str, reply: Reply) -> None:
        self.in_background(self._push(channels.reply(self._broker, request_id), reply))

    async def _push(self, key: str, reply: Reply) -> None:
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.rpush(key, _encoder.encode(reply))
        pipeline.expire(key, channels.REPLY_TTL_S)
        await pipeline.execute()

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            if isinstance(error, RedisError):
                log.warning("answer_lost", error=str(error))
            else:
                log.error("background_failed", error=repr(error))


def _reply(seq: int, body: Body) -> Reply:
    refused = refusal(body)
    if refused is not None:
        return Reply(
            failure=Failure(
                kind=refused.kind,
                code=refused.code,
                message=refused.message,
                details=dict(refused.details),
            )
        )
    return Reply(outcome=Outcome(seq=seq, result=body.result))


def _as_repeat(reply: Reply) -> Reply:
    if reply.outcome is None:
        return reply
    return Reply(outcome=msgspec.structs.replace(reply.outcome, repeated=True))


def _failure(error: ProrataError) -> Failure:
    return Failure(
        kind=type(error).__name__,
        code=error.code,
        message=error.message,
        details={key: str(value) for key, value in error.details.items()},
    )
