"""What one consumer of events has not read yet: durable events in order, latest quotes only."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable

from apps.servers.events import Event, Quote


class Feed:
    """Durable events and session news queue without loss (memory is the only bound); of quotes
    the consumer missed, only the newest of each symbol is kept."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._quotes: dict[str, Quote] = {}
        self._wake = asyncio.Event()
        self._ended = False

    def put(self, event: Event) -> None:
        self._events.append(event)
        self._wake.set()

    def put_quotes(self, quotes: Iterable[Quote]) -> None:
        for quote in quotes:
            self._quotes[quote.symbol] = quote
        self._wake.set()

    def end(self) -> None:
        self._ended = True
        self._wake.set()

    async def read(self) -> AsyncIterator[Event]:
        """Everything queued, then waits; ends after `end`, once all is read."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._quotes:
                quotes, self._quotes = self._quotes, {}
                for quote in quotes.values():
                    yield quote
                continue
            if self._ended:
                return
            self._wake.clear()
            await self._wake.wait()
