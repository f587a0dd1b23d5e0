"""The socket all others are made of: a snapshot, then frames, the latest state and no backlog.

    {"type": "snapshot", "epoch", "seq", "at_ms", "sent_ms", "state": {…}}
    {"type": "frame",    "epoch", "seq", "at_ms", "sent_ms", "patch": {…}}   JSON merge patch
    {"type": "error",    "code"}

`at_ms` is when the engine saw what is shown (absent before its first frame), `sent_ms` the clock
of this process. One task per socket waits for a change, sends the difference between what was sent
and what is now, and waits at least `interval_s`: whatever happened meanwhile is one message, so a
slow peer never has more than one message under way. A new epoch starts with a snapshot.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any, Self, cast

import msgspec
from channels.generic.websocket import AsyncWebsocketConsumer

from apps.engine.messages import Frame
from apps.live import limits
from apps.live.door import (
    TOO_MANY,
    TOO_SLOW,
    UNKNOWN,
    RefusedError,
    Visitor,
    admit,
    read_handshake,
)
from apps.live.patch import State, diff

log = logging.getLogger(__name__)
_INTERNAL = 1011
_open_sockets: Counter[tuple[str, int]] = Counter()


class BadMessageError(Exception):
    """A client's message is answered with this code and changes nothing."""


@dataclass(frozen=True, slots=True)
class Moment:
    """What a socket would show now."""

    epoch: int
    seq: int
    at_ms: int | None
    body: State

    @classmethod
    def of(cls, frame: Frame | None, body: State) -> Self:
        if frame is None:
            return cls(0, 0, None, body)
        return cls(frame.epoch, frame.seq, frame.at_ms, body)


class StateSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Subclasses say what there is: `enter`, `recheck`, `moment`, `told`, `leave`."""

    channel_layer_alias = ""  # none: frames do not pass through the channel layer
    interval_s = limits.DESK_INTERVAL_S
    visitor: Visitor

    async def enter(self) -> None:
        """Start watching. Raises RefusedError when the visitor may not."""
        raise NotImplementedError

    async def recheck(self) -> None:
        """Prove again that the visitor may watch. Raises RefusedError."""
        raise NotImplementedError

    def moment(self) -> Moment:
        """The state now, cheap: called at every send."""
        raise NotImplementedError

    async def told(self, message: dict[str, Any]) -> None:
        """A message of the client, an object with a str `type`. Raises BadMessageError."""
        raise NotImplementedError

    async def leave(self) -> None:
        """Stop watching; also called after an `enter` that failed half-way."""
        raise NotImplementedError

    def wake(self) -> None:
        """Something may have changed."""
        self._changed.set()

    async def connect(self) -> None:
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._counted = self._entered = False
        self._heard: deque[float] = deque(maxlen=limits.MAX_MESSAGES_PER_WINDOW)
        await self.accept()  # a refusal before it would reach the page without its code
        try:
            self.visitor = await admit(read_handshake(self.scope))
            self._count()
            self._entered = True
            await self.enter()
        except RefusedError as refused:
            await self._refuse(refused)
            return
        self.wake()
        self._tasks = [
            asyncio.create_task(self._guard(self._pump())),
            asyncio.create_task(self._guard(self._keep_checking())),
        ]

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        if self._entered:
            self._entered = False
            await self.leave()
        if self._counted:
            self._counted = False
            key = (self.visitor.broker, self.visitor.user_id)
            _open_sockets[key] -= 1
            if _open_sockets[key] <= 0:
                del _open_sockets[key]

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            self._listen_politely()
            await self.told(_read(text_data))
        except BadMessageError as bad:
            await self._say({"type": "error", "code": str(bad)})
        except RefusedError as refused:
            await self._refuse(refused)

    def _count(self) -> None:
        key = (self.visitor.broker, self.visitor.user_id)
        if _open_sockets[key] >= limits.MAX_SOCKETS_PER_USER:
            raise RefusedError(TOO_MANY, "too_many_sockets")
        _open_sockets[key] += 1
        self._counted = True

    def _listen_politely(self) -> None:
        now = time.monotonic()
        if (
            len(self._heard) == self._heard.maxlen
            and now - self._heard[0] < limits.MESSAGE_WINDOW_S
        ):
            raise RefusedError(TOO_MANY, "too_many_messages")
        self._heard.append(now)

    async def _pump(self) -> None:
        sent: Moment | None = None
        while True:
            if not self._changed.is_set():
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(limits.HEARTBEAT_S):  # wait_for would make a task
                        await self._changed.wait()
            self._changed.clear()
            now = self.moment()
            if sent is None or now.epoch != sent.epoch:
                await self._say(_head("snapshot", now) | {"state": now.body})
            else:
                await self._say(_head("frame", now) | {"patch": diff(sent.body, now.body)})
            sent = now
            await asyncio.sleep(self.interval_s)

    async def _keep_checking(self) -> None:
        while True:
            await asyncio.sleep(limits.RECHECK_S)
            await self.recheck()

    async def _guard(self, work: Any) -> None:
        """A task that ends ends the socket, with the reason it ended for."""
        try:
            await work
        except RefusedError as refused:
            await self._refuse(refused)
        except Exception:
            log.exception("a socket failed")
            await self._refuse(RefusedError(_INTERNAL, "internal_error"))

    async def _say(self, message: dict[str, Any]) -> None:
        text = msgspec.json.encode(message).decode()
        try:
            async with asyncio.timeout(limits.SEND_TIMEOUT_S):
                await self.send(text_data=text)
        except TimeoutError:
            raise RefusedError(TOO_SLOW, "too_slow") from None

    async def _refuse(self, refused: RefusedError) -> None:
        with contextlib.suppress(Exception):  # the peer may be gone already
            await self.send(text_data=json.dumps({"type": "error", "code": refused.code}))
        with contextlib.suppress(Exception):
            await self.close(code=refused.close_code, reason=refused.code)


class NowhereSocket(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Any other path."""

    channel_layer_alias = ""

    async def connect(self) -> None:
        await self.accept()
        await self.close(code=UNKNOWN, reason="no_such_socket")


def _head(kind: str, now: Moment) -> dict[str, Any]:
    head: dict[str, Any] = {
        "type": kind,
        "epoch": now.epoch,
        "seq": now.seq,
        "sent_ms": int(time.time() * 1000),
    }
    if now.at_ms is not None:
        head["at_ms"] = now.at_ms
    return head


def _read(text: str | None) -> dict[str, Any]:
    if text is None:
        raise BadMessageError("not_text")
    if len(text) > limits.MAX_MESSAGE_CHARS:
        raise BadMessageError("message_too_long")
    try:
        message = json.loads(text)
    except ValueError:
        raise BadMessageError("not_json") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise BadMessageError("not_a_message")
    return cast("dict[str, Any]", message)
