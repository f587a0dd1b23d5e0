"""One open connection to a simulator: requests matched to replies by id."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from apps.servers.simulator import wire
from apps.servers.simulator.wire import EventsIn, Quotes

T = TypeVar("T")
Push = EventsIn | Quotes


class NoAnswerError(Exception):
    """The bytes may have left and no answer came: the outcome is unknown."""


async def open_streams(
    url: str, timeout_s: float
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """OSError (also TimeoutError) when nobody listens."""
    target = wire.parse_url(url)
    async with asyncio.timeout(timeout_s):
        if isinstance(target, str):
            return await asyncio.open_unix_connection(target, limit=1 << 20)
        return await asyncio.open_connection(*target, limit=1 << 20)


class Link:
    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        on_push: Callable[[Push], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._on_push = on_push
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[msgspec.Raw]] = {}
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, on_push: Callable[[Push], None], timeout_s: float) -> Link:
        return cls(*await open_streams(url, timeout_s), on_push)

    async def request(
        self, method: str, params: msgspec.Struct, result: type[T] | Any, timeout_s: float
    ) -> T:
        """The decoded result. NoAnswerError: lost or late; a ProrataError: the server refused."""
        if self.closed.done():
            raise NoAnswerError(self.closed.result())
        request_id = next(self._ids)
        answer: asyncio.Future[msgspec.Raw] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            body = msgspec.Raw(wire.encoder.encode(params))
            self._writer.write(wire.frame(wire.Request(request_id, method, body)))
            async with asyncio.timeout(timeout_s):
                await self._writer.drain()
                raw = await answer
        except TimeoutError as error:
            raise NoAnswerError(f"no answer to {method} within {timeout_s} s") from error
        except OSError as error:
            raise NoAnswerError(f"the connection broke: {error}") from error
        finally:
            self._waiting.pop(request_id, None)
        try:
            decoded: T = msgspec.msgpack.decode(raw, type=result)
        except msgspec.MsgspecError as error:
            raise NoAnswerError(f"an answer to {method} that cannot be read: {error}") from error
        return decoded

    async def close(self, reason: str = "closed by us") -> None:
        self._end(reason)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self) -> None:
        reason = "closed by us"
        try:
            while True:
                message = wire.decode_incoming(await wire.read_frame(self._reader))
                if isinstance(message, wire.Reply):
                    self._settle(message)
                else:
                    self._on_push(message)
        except (OSError, ConnectionError) as error:
            reason = str(error) or type(error).__name__
        finally:
            self._end(reason)

    def _settle(self, reply: wire.Reply) -> None:
        answer = self._waiting.get(reply.id)
        if answer is None or answer.done():  # it came after its time-out
            return
        if reply.failure is not None:
            answer.set_exception(wire.error_of(reply.failure))
        else:
            answer.set_result(reply.result)

    def _end(self, reason: str) -> None:
        if self.closed.done():
            return
        self.closed.set_result(reason)
        self._writer.close()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(NoAnswerError(reason))
