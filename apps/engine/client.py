"""The door of the engine for pages, API and workers: synchronous, over Redis.

`execute` returns only after the book's journal has committed the command. What it can raise:

    UnavailableError     `no_engine`: nobody holds the book's lease; nothing was sent
    UnknownOutcomeError  `no_answer`: sent, not answered in time. Ask again with the SAME command
                         id: the first outcome comes back, or the command is executed now, once
    RejectedError, ConflictError, NotFoundError, InputError: as the book decided
    ForbiddenError       a new block while the broker's standing is read only or suspended
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import Any, Literal

import msgspec
import redis
from django.conf import settings

from apps.accounts.standing import Capability, require
from apps.core import errors
from apps.core.book.codec import encode
from apps.core.book.commands import Command, HardStop, LinkAccount, PlaceBlock, ReverseBlock
from apps.engine import channels
from apps.engine.messages import (
    Failure,
    Frame,
    JoinQuote,
    Outcome,
    Preview,
    QuoteFrame,
    QuoteView,
    Reply,
    Request,
    StopPreview,
)

__all__ = [
    "Frame",
    "JoinQuote",
    "Outcome",
    "Preview",
    "QuoteView",
    "StopPreview",
    "execute",
    "latest_frame",
    "latest_quotes",
]

_DEFAULT_TIMEOUT_S = 5.0
OPENING = (PlaceBlock, ReverseBlock)  # what a broker's standing may forbid
_encoder = msgspec.msgpack.Encoder()
_replies = msgspec.msgpack.Decoder(Reply)
_frames = msgspec.msgpack.Decoder(Frame)
_quotes = msgspec.msgpack.Decoder(QuoteFrame)
_lock = threading.Lock()
_connection: redis.Redis | None = None


def connection() -> redis.Redis:
    """This process's Redis connection pool (thread-safe)."""
    global _connection
    with _lock:
        if _connection is None:
            _connection = redis.Redis.from_url(settings.REDIS_URL, socket_timeout=30)
        return _connection


def execute(
    broker: str, book_id: uuid.UUID, command: Command, *, timeout_s: float = _DEFAULT_TIMEOUT_S
) -> Outcome:
    """Have the book execute `command`; its committed outcome. Errors: see the module."""
    if isinstance(command, OPENING):
        require(Capability.OPEN)
    reply = _ask(broker, book_id, command, "execute", timeout_s)
    if reply.outcome is None:
        raise errors.UnknownOutcomeError("bad_answer", "The engine's answer holds no outcome.")
    return reply.outcome


def preview(
    broker: str, book_id: uuid.UUID, command: PlaceBlock, *, timeout_s: float = _DEFAULT_TIMEOUT_S
) -> Preview:
    """What the book would decide now for `command`. Nothing is written or reserved."""
    require(Capability.OPEN)
    reply = _ask(broker, book_id, command, "preview", timeout_s)
    if reply.preview is None:
        raise errors.UnavailableError("bad_answer", "The engine's answer holds no preview.")
    return reply.preview


def preview_stop(
    broker: str, book_id: uuid.UUID, command: HardStop, *, timeout_s: float = _DEFAULT_TIMEOUT_S
) -> StopPreview:
    """What a hard stop would close now, with the token that confirms it."""
    reply = _ask(broker, book_id, command, "preview", timeout_s)
    if reply.stop is None:
        raise errors.UnavailableError("bad_answer", "The engine's answer holds no preview.")
    return reply.stop


def preview_join(
    broker: str, book_id: uuid.UUID, command: LinkAccount, *, timeout_s: float = _DEFAULT_TIMEOUT_S
) -> JoinQuote:
    """What joining by `command` would take over now, and what it costs. Nothing is written."""
    reply = _ask(broker, book_id, command, "preview", timeout_s)
    if reply.join is None:
        raise errors.UnavailableError("bad_answer", "The engine's answer holds no quote.")
    return reply.join


def latest_frame(broker: str, book_id: uuid.UUID) -> Frame | None:
    """The last frame published (its `at_ms` tells how old it is), None when there is none."""
    data = _read(channels.frame(broker, book_id))
    return _frames.decode(data) if data else None


def latest_quotes(broker: str, server_id: int | None = None) -> dict[str, QuoteView]:
    """The last quote of every symbol of one trading server; each carries its own `at_ms`.

    Symbols are each server's own. `server_id` None: of all the broker's servers, where the newest
    quote of a name stands for it (rates and ages, never for an order).
    """
    if server_id is not None:
        data = _read(channels.quotes_latest(broker, server_id))
        return _quotes.decode(data).quotes if data else {}
    found: dict[str, QuoteView] = {}
    for server in sorted(_guarded(lambda: connection().smembers(channels.quoting(broker)))):
        for name, quote in latest_quotes(broker, int(server)).items():
            if name not in found or quote.at_ms > found[name].at_ms:
                found[name] = quote
    return found


def servers(broker: str) -> dict[int, str]:
    """Trading server id → "up", "away", or the code of what keeps the engine from connecting.

    Empty when no engine has announced itself lately.
    """
    data = _read(channels.status(broker))
    found = msgspec.json.decode(data).get("servers", {}) if data else {}
    return {int(server): str(state) for server, state in found.items()}


def is_held(broker: str, book_id: uuid.UUID) -> bool:
    """Whether an engine holds the book's lease right now."""
    return bool(_guarded(lambda: connection().exists(channels.lease(broker, book_id))))


def wake() -> None:
    """Tell engines that there is a new book; without it they notice within seconds."""
    _guarded(lambda: connection().publish(channels.WAKE, b"1"))


def _ask(
    broker: str,
    book_id: uuid.UUID,
    command: Command,
    mode: Literal["execute", "preview"],
    timeout_s: float,
) -> Reply:
    if not is_held(broker, book_id):
        raise errors.UnavailableError(
            "no_engine",
            "No engine holds this book now; nothing was sent. Try again in a few seconds.",
            book_id=str(book_id),
        )
    request_id = uuid.uuid4().hex
    request = Request(
        request_id=request_id,
        mode=mode,
        command=command,
        deadline_ms=int((time.time() + timeout_s) * 1000),
    )
    answer = _send_and_wait(broker, book_id, request, timeout_s)
    if answer is None:
        raise errors.UnknownOutcomeError(
            "no_answer",
            f"The engine did not answer within {timeout_s:g} s. It may or may not have executed"
            " the command: ask again with the same command id.",
            command_id=str(command.command_id),
        )
    reply = _replies.decode(answer)
    if reply.failure is not None:
        raise to_error(reply.failure)
    return reply


def _send_and_wait(
    broker: str, book_id: uuid.UUID, request: Request, timeout_s: float
) -> bytes | None:
    """The raw answer, or None when it is unknown whether the request was executed."""
    client = connection()
    key = channels.reply(broker, request.request_id)
    try:
        client.lpush(channels.commands(broker, book_id), encode(request))
        found: Any = client.blpop([key], timeout=timeout_s)
    except redis.RedisError:
        return None
    return bytes(found[1]) if found else None


def to_error(failure: Failure) -> errors.ProrataError:
    """The exception that the engine reported."""
    kind = getattr(errors, failure.kind, errors.ProrataError)
    error: errors.ProrataError = kind(failure.code, failure.message, **failure.details)
    return error


def _read(key: str) -> bytes | None:
    data: bytes | None = _guarded(lambda: connection().get(key))
    return data


def _guarded(call: Any) -> Any:
    try:
        return call()
    except redis.RedisError as error:
        raise errors.UnavailableError(
            "no_transport", "The engine cannot be reached now; nothing was sent."
        ) from error
