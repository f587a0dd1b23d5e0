"""One watched book in one process: its frame, the broker's quotes, and the record behind them.

All sockets of the process that look at the book share one of these. When a frame tells of a newer
seq, the record is read once (not once per socket) until the projection has caught up with it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable
from functools import partial
from uuid import UUID
from weakref import WeakKeyDictionary

from django.db import Error as DatabaseError

from apps.engine.messages import Frame
from apps.live import limits
from apps.live.door import in_schema
from apps.live.hub import Hub, Listener, hub
from apps.live.marks import Marker, Prices
from apps.live.patch import State
from apps.live.record import Account, OpenTicket, read, server_of, symbols_of
from apps.live.topics import FrameTopic, QuoteTopic

log = logging.getLogger(__name__)


class BookWatch:
    """See the module. Made by `watch_book`, let go by `close`."""

    def __init__(self, hub: Hub, broker: str, book_id: UUID) -> None:
        self.broker = broker
        self.book_id = book_id
        self.projected_seq = 0
        self.accounts: dict[int, Account] = {}
        self.tickets: dict[int, list[OpenTicket]] = {}
        self.marker = Marker(())
        self.listeners: set[Listener] = set()
        self._prices: tuple[Marker, int, Prices] | None = None
        self._hub = hub
        self._looked_at: Counter[int] = Counter()  # accounts whose tickets somebody looks at
        self._frames: FrameTopic | None = None
        self._quotes: QuoteTopic | None = None
        self._catch_up: asyncio.Task[None] | None = None
        self._reading = asyncio.Lock()

    @property
    def frame(self) -> Frame | None:
        return self._frames.frame if self._frames else None

    def row(self, account_id: int) -> dict[str, int] | None:
        """An account's figures in the frame."""
        return self._frames.row(account_id) if self._frames else None

    @property
    def quote_states(self) -> dict[str, State]:
        """What is shown of the quotes; shared, so not to be changed."""
        return self._quotes.states if self._quotes else {}

    @property
    def prices(self) -> Prices:
        """The quotes as tickets are marked by them, made once per change of any."""
        version = self._quotes.version if self._quotes else 0
        if self._prices is None or self._prices[0] is not self.marker or self._prices[1] != version:
            quotes = self._quotes.quotes if self._quotes else {}
            self._prices = (self.marker, version, self.marker.prices(quotes))
        return self._prices[2]

    async def open(self) -> None:
        """Subscribe, then read the record."""
        frames = await self._hub.join(lambda: FrameTopic(self.broker, self.book_id), self._on_frame)
        server_id = await in_schema(self.broker, lambda: server_of(self.book_id))
        quotes = await self._hub.join(lambda: QuoteTopic(self.broker, server_id), self._tell)
        assert isinstance(frames, FrameTopic)
        assert isinstance(quotes, QuoteTopic)
        self._frames, self._quotes = frames, quotes
        symbols = await in_schema(self.broker, lambda: symbols_of([server_id]))
        self.marker = Marker(symbols)
        await self.refresh()

    async def close(self) -> None:
        if self._catch_up is not None:
            self._catch_up.cancel()
        if self._frames is not None:
            await self._hub.leave(self._frames, self._on_frame)
        if self._quotes is not None:
            await self._hub.leave(self._quotes, self._tell)

    async def look_at(self, account_ids: Iterable[int]) -> None:
        """Keep the open tickets of these accounts from now on."""
        new = set(account_ids)
        fresh = {account_id for account_id in new if account_id not in self._looked_at}
        self._looked_at.update(new)
        if fresh and not await self._read_also(fresh):
            await self.refresh()

    def look_away(self, account_ids: Iterable[int]) -> None:
        self._looked_at.subtract(set(account_ids))
        for account_id in [a for a, n in self._looked_at.items() if n <= 0]:
            del self._looked_at[account_id]
            self.tickets.pop(account_id, None)

    async def _read_also(self, fresh: set[int]) -> bool:
        """Read these accounts alone, so that a thousand who come at once do not read each other
        again; False when the record has moved on, and all are to be read."""
        async with self._reading:
            unknown = [a for a in fresh if a not in self.accounts]
            found = await in_schema(self.broker, partial(read, self.book_id, unknown, fresh))
            if found.projected_seq != self.projected_seq:
                return False
            self.accounts.update(found.accounts)
            still = fresh & self._looked_at.keys()
            self.tickets.update({a: found.tickets.get(a, []) for a in still})
            return True

    async def refresh(self) -> None:
        """Read the record once and tell everybody who looks."""
        async with self._reading:
            members = self.frame.vector("account_ids").tolist() if self.frame else []
            unknown = [a for a in {*members, *self._looked_at} if a not in self.accounts]
            looked_at = set(self._looked_at)
            found = await in_schema(self.broker, partial(read, self.book_id, unknown, looked_at))
            self.accounts.update(found.accounts)
            self.tickets = {a: found.tickets.get(a, []) for a in looked_at}
            self.projected_seq = found.projected_seq
        self._tell()

    def _on_frame(self) -> None:
        frame = self.frame
        if frame is not None and frame.seq > self.projected_seq and self._catch_up is None:
            self._catch_up = asyncio.create_task(self._follow())
        self._tell()

    async def _follow(self) -> None:
        """Read until the record has what the latest frame shows; gently when it lags."""
        wait_s = limits.PROJECTION_POLL_S
        try:
            while self.frame is not None and self.projected_seq < self.frame.seq:
                before = self.projected_seq
                try:
                    await self.refresh()
                except DatabaseError as error:
                    log.warning("record of %s/%s unread: %s", self.broker, self.book_id, error)
                moved = self.projected_seq > before
                wait_s = limits.PROJECTION_POLL_S if moved else wait_s * 1.5
                wait_s = min(wait_s, limits.PROJECTION_POLL_MAX_S)
                await asyncio.sleep(wait_s)
        finally:
            self._catch_up = None

    def _tell(self) -> None:
        for listener in tuple(self.listeners):
            listener()


class _Watches:
    """The watched books of one event loop."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.open: dict[tuple[str, UUID], BookWatch] = {}


_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _Watches] = WeakKeyDictionary()


def _watches() -> _Watches:
    loop = asyncio.get_running_loop()
    return _loops.setdefault(loop, _Watches())


async def watch_book(broker: str, book_id: UUID, listener: Listener) -> BookWatch:
    """Start (or join) watching a book; `listener` is called at every change."""
    watches = _watches()
    async with watches.lock:
        watch = watches.open.get((broker, book_id))
        if watch is None:
            watch = BookWatch(hub(), broker, book_id)
            try:
                await watch.open()
            except BaseException:
                await watch.close()
                raise
            watches.open[broker, book_id] = watch
        watch.listeners.add(listener)
        return watch


async def leave_book(watch: BookWatch, listener: Listener) -> None:
    """Stop; the last one out ends the subscriptions."""
    watches = _watches()
    async with watches.lock:
        watch.listeners.discard(listener)
        if not watch.listeners:
            watches.open.pop((watch.broker, watch.book_id), None)
            await watch.close()
