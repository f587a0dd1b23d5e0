"""Work in lanes: one after another, or a stated number at once; what is urgent goes first."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable

Work = Callable[[], Awaitable[None]]


class Lane:
    """`width` pieces of work in flight at once, in the order of (urgency, arrival)."""

    def __init__(self, width: int, start: Callable[[Awaitable[None]], None]) -> None:
        self._waiting: asyncio.PriorityQueue[tuple[int, int, Work]] = asyncio.PriorityQueue()
        self._numbers = itertools.count()
        for _ in range(width):
            start(self._pull())

    def put(self, work: Work, *, urgency: int = 0) -> None:
        """Lower is sooner."""
        self._waiting.put_nowait((urgency, next(self._numbers), work))

    async def _pull(self) -> None:
        while True:
            _, _, work = await self._waiting.get()
            await work()
