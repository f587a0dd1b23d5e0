"""Frames of the simulator's protocol: 4-byte big-endian length, then one msgpack value.

A client sends `Request`s; the server answers each with one `Reply` (by id, in any order) and
pushes `Events` and `Quotes` once they were asked for.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlsplit

import msgspec

from apps.core.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    ProrataError,
    UnavailableError,
)
from apps.servers.events import Event

MAX_FRAME_BYTES = 16 * 1024 * 1024
HEADER_BYTES = 4

NIL = msgspec.Raw(b"\xc0")

QuoteRow = tuple[str, int, int, int, int]  # symbol, bid points, ask points, at_ms, source_ms


class Request(msgspec.Struct, frozen=True, tag="q", array_like=True):
    id: int
    method: str
    params: msgspec.Raw


class Failure(msgspec.Struct, frozen=True, array_like=True):
    kind: str  # a key of ERRORS
    code: str
    message: str
    details: dict[str, Any]


class Reply(msgspec.Struct, frozen=True, tag="r", array_like=True):
    id: int
    result: msgspec.Raw  # nil beside a failure
    failure: Failure | None = None


class EventsOut(msgspec.Struct, frozen=True, tag="e", array_like=True):
    """As sent: events are stored encoded and pass through untouched."""

    events: list[msgspec.Raw]


class EventsIn(msgspec.Struct, frozen=True, tag="e", array_like=True):
    events: list[Event]


class Quotes(msgspec.Struct, frozen=True, tag="t", array_like=True):
    rows: list[QuoteRow]


ERRORS: dict[str, type[ProrataError]] = {
    "input": InputError,
    "forbidden": ForbiddenError,
    "not_found": NotFoundError,
    "conflict": ConflictError,
    "unavailable": UnavailableError,
}
_KIND_OF = {cls: kind for kind, cls in ERRORS.items()}

encoder = msgspec.msgpack.Encoder()
_request_decoder = msgspec.msgpack.Decoder(Request)
Incoming = Reply | EventsIn | Quotes
_incoming_decoder: msgspec.msgpack.Decoder[Incoming] = msgspec.msgpack.Decoder(Incoming)


def frame(message: msgspec.Struct) -> bytes:
    """Length and body of one message. InputError `frame_too_large` past 16 MiB."""
    body = encoder.encode(message)
    if len(body) > MAX_FRAME_BYTES:
        raise InputError("frame_too_large", f"a message of {len(body)} bytes is over 16 MiB")
    return len(body).to_bytes(HEADER_BYTES, "big") + body


async def read_frame(reader: asyncio.StreamReader, limit: int = MAX_FRAME_BYTES) -> bytes:
    """The next body. ConnectionError when the peer is gone or does not speak this protocol."""
    try:
        size = int.from_bytes(await reader.readexactly(HEADER_BYTES), "big")
        if size > limit:
            raise ConnectionError(f"a frame of {size} bytes is over the limit")
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise ConnectionError("the peer closed the connection") from error


def decode_request(body: bytes) -> Request:
    try:
        return _request_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ConnectionError(f"not a request: {error}") from error


def decode_incoming(body: bytes) -> Incoming:
    try:
        return _incoming_decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise ConnectionError(f"not a message of a simulator: {error}") from error


def failure_of(error: ProrataError) -> Failure:
    return Failure(_KIND_OF.get(type(error), "input"), error.code, error.message, error.details)


def error_of(failure: Failure) -> ProrataError:
    cls = ERRORS.get(failure.kind, InputError)
    return cls(failure.code, failure.message, **failure.details)


def parse_url(url: str) -> tuple[str, int] | str:
    """`tcp://host:port` → (host, port); `unix:PATH` → path. InputError `server_url_invalid`."""
    if url.startswith("unix:") and len(url) > len("unix:"):
        return url.removeprefix("unix:")
    parts = urlsplit(url if "//" in url else f"tcp://{url}")
    try:
        if parts.scheme == "tcp" and parts.hostname and parts.port is not None:
            return parts.hostname, parts.port
    except ValueError:
        pass
    raise InputError(
        "server_url_invalid", f"{url!r} is neither tcp://HOST:PORT nor unix:PATH", url=url
    )
