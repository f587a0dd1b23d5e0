"""One connection: reads requests, answers them, pushes events and quotes as the peer can take."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from typing import TYPE_CHECKING

import msgspec

from apps.core.errors import ForbiddenError, ProrataError
from apps.servers.simulator import methods, wire
from apps.servers.simulator.exchange import Exchange
from apps.servers.simulator.rates import Tick

if TYPE_CHECKING:
    from apps.servers.simulator.host import Host

log = logging.getLogger("simulator")

EVENTS_PER_FRAME = 500
WAITING_QUOTES = 500  # more than this waiting: only the newest of each symbol is sent
WAITING_REPLIES = 1_000  # a peer that asks and does not read is not read either
FIRST_FRAME_BYTES = 65_536  # before log-in


class Connection:
    def __init__(
        self, host: Host, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.host = host
        self.exchange: Exchange | None = None
        self.is_admin = not host.options.admin_token
        self.quote_symbols: frozenset[str] = frozenset()
        self._reader = reader
        self._writer = writer
        self._outbox: deque[bytes] = deque()
        self._quotes: list[wire.QuoteRow] = []
        self._following: int | None = None  # the seq told last
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._cleanup = contextlib.ExitStack()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._cleanup.callback(self.host.market.release, self)
        pump = asyncio.create_task(self._pump())
        try:
            while True:
                known = self.exchange is not None or self.is_admin
                limit = wire.MAX_FRAME_BYTES if known else FIRST_FRAME_BYTES
                body = await wire.read_frame(self._reader, limit)
                if not self._serve(wire.decode_request(body)):
                    return
                await asyncio.sleep(0)  # a burst of one peer must not starve the others
                await self._room.wait()
        except (OSError, ConnectionError) as error:
            log.debug("connection ended: %s", error)
        finally:
            self._cleanup.close()
            pump.cancel()
            for task in self._tasks:
                task.cancel()
            self._writer.close()

    # -- what methods use

    def logged_in(self) -> Exchange:
        """ForbiddenError `auth_failed` before `hello`."""
        if self.exchange is None:
            raise ForbiddenError("auth_failed", "say hello first")
        return self.exchange

    def admin(self) -> None:
        """ForbiddenError `auth_failed` for whoever is no admin."""
        if not self.is_admin:
            raise ForbiddenError("auth_failed", "this needs the admin token")

    def log_in(self, exchange: Exchange) -> None:
        if self.exchange is None:
            self._cleanup.callback(exchange.listen(self._wake.set))
            self._cleanup.callback(self.host.market.listen(self._on_ticks))
        elif self.exchange is not exchange:
            raise ForbiddenError("auth_failed", "this connection is logged in to another server")
        self.exchange = exchange

    def follow(self, after_seq: int) -> None:
        self._following = after_seq
        self._wake.set()

    def tell_latest(self) -> None:
        self._on_ticks(list(self.host.market.ticks.items()))

    # -- in

    def _serve(self, request: wire.Request) -> bool:
        """False when the connection must end (a fault, a refused log-in)."""
        faults = self.exchange.faults if self.exchange else None
        command = faults is not None and request.method == "execute"
        if command and faults and faults.take("drop_before"):
            return False
        reply = self._reply(request)
        if command and faults:
            if faults.take("drop_after"):
                return False
            if faults.take("lose_ack"):
                return True
            delay = faults.take("delay")
            if delay is not None:
                task = asyncio.create_task(self._send_later(reply, delay.delay_ms / 1000))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
                return True
        self._send(reply)
        return True

    def _reply(self, request: wire.Request) -> wire.Reply:
        try:
            result = methods.call(self, request.method, request.params)
            return wire.Reply(request.id, msgspec.Raw(wire.encoder.encode(result)))
        except ProrataError as error:
            return wire.Reply(request.id, wire.NIL, wire.failure_of(error))
        except Exception:
            log.exception("%s failed", request.method)
            broken = wire.Failure("unavailable", "server_error", "the simulator failed", {})
            return wire.Reply(request.id, wire.NIL, broken)

    # -- out

    def _send(self, reply: wire.Reply) -> None:
        self._outbox.append(wire.frame(reply))
        if len(self._outbox) > WAITING_REPLIES:
            self._room.clear()
        self._wake.set()

    async def _send_later(self, reply: wire.Reply, after_s: float) -> None:
        await asyncio.sleep(after_s)
        self._send(reply)

    def _on_ticks(self, ticks: list[tuple[str, Tick]]) -> None:
        rows = [(symbol, *tick) for symbol, tick in ticks if symbol in self.quote_symbols]
        if not rows:
            return
        self._quotes.extend(rows)
        if len(self._quotes) > WAITING_QUOTES:
            self._quotes = list({row[0]: row for row in self._quotes}.values())
        self._wake.set()

    async def _pump(self) -> None:
        """The only writer. Waits for a slow peer; meanwhile events stay in the store."""
        with contextlib.suppress(OSError):
            while True:
                self._wake.clear()
                while self._outbox:
                    self._writer.write(self._outbox.popleft())
                more = self._write_events()
                self._write_quotes()
                await self._writer.drain()
                self._room.set()
                if not more:
                    await self._wake.wait()

    def _write_events(self) -> bool:
        """Whether there may be more."""
        if self._following is None or self.exchange is None:
            return False
        store = self.exchange.store
        if store.last_seq <= self._following:
            return False
        rows = store.events_after(self._following, EVENTS_PER_FRAME)
        self._writer.write(wire.frame(wire.EventsOut([msgspec.Raw(body) for _, body in rows])))
        self._following = rows[-1][0]
        return True

    def _write_quotes(self) -> None:
        if self._quotes:
            rows, self._quotes = self._quotes, []
            self._writer.write(wire.frame(wire.Quotes(rows)))
