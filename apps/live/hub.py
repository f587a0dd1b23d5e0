"""One Redis subscription per watched channel and process; every socket reads the latest value.

A topic holds exactly one value, the latest, however many sockets look at it: memory is bounded by
what is watched, not by how fast it changes or how slow a socket is.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

log = logging.getLogger(__name__)
Listener = Callable[[], None]
_POLL_S = 1.0
_RETRY_S = 0.5


class Topic:
    """One channel and the key that keeps its last message. Subclasses fold messages in."""

    def __init__(self, channel: str, key: str) -> None:
        self.channel = channel
        self.key = key
        self.listeners: set[Listener] = set()

    def take(self, data: bytes) -> bool:
        """Fold one message in; True when the value changed."""
        raise NotImplementedError

    def accept(self, data: bytes) -> None:
        """A message came: fold it in and wake whoever looks."""
        try:
            changed = self.take(data)
        except ValueError as error:  # msgspec's errors are ValueErrors
            log.error("unreadable message on %s: %s", self.channel, error)
            return
        if changed:
            for listener in tuple(self.listeners):
                listener()


class Hub:
    """The subscriptions of one event loop."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._topics: dict[str, Topic] = {}
        self._lock = asyncio.Lock()
        self._redis: Redis | None = None
        self._pubsub: PubSub | None = None
        self._reader: asyncio.Task[None] | None = None

    async def join(self, make: Callable[[], Topic], listener: Listener) -> Topic:
        """Listen to the topic that `make` describes; it holds its last value on return."""
        async with self._lock:
            wanted = make()
            topic = self._topics.get(wanted.channel)
            if topic is None:
                topic = wanted
                await self._subscribe(topic)
            topic.listeners.add(listener)
            return topic

    async def leave(self, topic: Topic, listener: Listener) -> None:
        """Stop listening; the last one out ends the subscription."""
        async with self._lock:
            topic.listeners.discard(listener)
            if topic.listeners or self._topics.get(topic.channel) is not topic:
                return
            del self._topics[topic.channel]
            if not self._topics:
                await self._shut()
            elif self._pubsub is not None:
                with contextlib.suppress(RedisError, OSError):
                    await self._pubsub.unsubscribe(topic.channel)

    def watched(self) -> int:
        """How many channels this process is subscribed to."""
        return len(self._topics)

    async def _subscribe(self, topic: Topic) -> None:
        if self._redis is None or self._pubsub is None:
            self._redis = Redis.from_url(self._url, health_check_interval=15)
            self._pubsub = self._redis.pubsub(ignore_subscribe_messages=True)
        # First the channel, then the key: what is published in between is not lost.
        await self._pubsub.subscribe(topic.channel)
        self._topics[topic.channel] = topic
        await self._seed(topic)
        if self._reader is None:
            self._reader = asyncio.create_task(self._read(self._pubsub))

    async def _seed(self, topic: Topic) -> None:
        data: Any = await self._redis.get(topic.key) if self._redis is not None else None
        if data:
            topic.accept(data)

    async def _read(self, pubsub: PubSub) -> None:
        broken = False
        while True:
            try:
                if broken:  # what was published meanwhile is gone; the keys still hold the last
                    for topic in tuple(self._topics.values()):
                        await self._seed(topic)
                    broken = False
                message: Any = await pubsub.get_message(timeout=_POLL_S)
            except (RedisError, OSError) as error:
                log.warning("Redis is away: %s", error)
                broken = True
                await asyncio.sleep(_RETRY_S)
                continue
            if message is not None and message["type"] == "message":
                topic_of = self._topics.get(message["channel"].decode())
                if topic_of is not None:
                    topic_of.accept(message["data"])

    async def _shut(self) -> None:
        reader, self._reader = self._reader, None
        pubsub, self._pubsub = self._pubsub, None
        client, self._redis = self._redis, None
        if reader is not None:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader
        for thing in (pubsub, client):
            if thing is not None:
                with contextlib.suppress(RedisError, OSError):
                    await thing.aclose()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """The hub of the running event loop: one per process, since a process runs one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = Hub(settings.REDIS_URL)
    return _hubs[loop]
