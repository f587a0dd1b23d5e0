"""The process: its named servers, the market they share, the sockets they are reached by."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hmac
import logging
import re
from decimal import Decimal
from pathlib import Path
from typing import IO

import msgspec

from apps.core.errors import ConflictError, ForbiddenError, InputError, NotFoundError
from apps.core.sessions import Sessions
from apps.servers.commands import (
    AllocateClose,
    AllocateNetted,
    AllocateOpen,
    AmendOrder,
    BalanceOperation,
    CancelOrder,
    ClosePosition,
    CreateAccount,
    SubmitOrder,
)
from apps.servers.simulator import accounts, allocate, netting, orders, stopouts, wire
from apps.servers.simulator.bars import BarStore
from apps.servers.simulator.connection import Connection
from apps.servers.simulator.exchange import Exchange, Handler
from apps.servers.simulator.generator import Generator, RawBar
from apps.servers.simulator.market import Market
from apps.servers.simulator.player import Player
from apps.servers.simulator.rates import Tick
from apps.servers.simulator.store import Store
from apps.servers.simulator.symbols import Dialect

log = logging.getLogger("simulator")

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
MIN_TOKEN_LENGTH = 8
EXPIRE_EVERY_S = 0.5
STOP_OUT_EVERY_S = 1.0

HANDLERS: dict[type, Handler] = {
    SubmitOrder: orders.submit,
    AmendOrder: orders.amend,
    CancelOrder: orders.cancel,
    ClosePosition: orders.close_position,
    AllocateOpen: allocate.allocate_open,
    AllocateClose: allocate.allocate_close,
    AllocateNetted: netting.allocate_netted,
    BalanceOperation: accounts.balance,
    CreateAccount: accounts.create,
}


class Options(msgspec.Struct, frozen=True):
    listen: str
    data: Path
    generated: bool = True
    seed: int = 7
    speed: float = 1.0
    always_open: bool = True
    stale_after_ms: int = 60_000
    faults: bool = False
    admin_token: str = ""
    kept_events: int = 200_000
    stop_out_pct: Decimal = Decimal(0)
    dialect: Dialect = Dialect()
    sessions: dict[str, Sessions] = {}


class Host:
    def __init__(self, options: Options) -> None:
        self.options = options
        options.data.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(options.data)
        self.market = Market(stale_after_ms=options.stale_after_ms, sessions=options.sessions)
        self.bars = BarStore(options.data / "quotes.sqlite")
        self.market.listen(self.bars.on_ticks)
        self.generator = (
            Generator(options.seed, always_open=options.always_open) if options.generated else None
        )
        self._exchanges: dict[str, Exchange] = {}
        self._connections: set[asyncio.Task[None]] = set()
        for path in sorted(options.data.glob("*.server.sqlite")):
            store = Store(path, kept_events=options.kept_events)
            self._start(path.name.removesuffix(".server.sqlite"), store)

    async def serve(self, ready: asyncio.Future[str] | None = None) -> None:
        """Runs until cancelled; `ready` gets the URL it listens on."""
        server, url = await self._listen()
        log.info("simulator listens on %s, data in %s", url, self.options.data)
        try:
            async with asyncio.TaskGroup() as group:
                if self.generator is not None:
                    player = Player(
                        self.market, self.generator, self.bars, speed=self.options.speed
                    )
                    group.create_task(player.run())
                group.create_task(self._expire())
                if self.options.stop_out_pct > 0:
                    group.create_task(self._stop_out())
                group.create_task(server.serve_forever())
                if ready is not None:
                    ready.set_result(url)
        finally:
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)
            self.close()

    def close(self) -> None:
        for exchange in self._exchanges.values():
            exchange.store.close()
        self.bars.close()
        self._lock.close()

    # -- named servers

    def open_server(self, name: str, token: str) -> Exchange:
        """ForbiddenError `auth_failed`, the same for a wrong name and a wrong token."""
        exchange = self._exchanges.get(name)
        if exchange is None:
            raise ForbiddenError("auth_failed", "no such server, or the token is not right")
        exchange.store.check_token(token)
        return exchange

    def named(self, name: str) -> Exchange:
        exchange = self._exchanges.get(name)
        if exchange is None:
            raise NotFoundError("server_unknown", f"no server {name!r} here", server=name)
        return exchange

    def create_server(self, name: str, token: str, block_allocation: bool = True) -> None:
        """Creates it, or agrees that it exists with this token. ConflictError `server_exists`."""
        if not NAME.fullmatch(name):
            raise InputError(
                "server_name_invalid", "a name is a-z, 0-9 and '-', at most 40", server=name
            )
        if len(token) < MIN_TOKEN_LENGTH:
            raise InputError("token_too_short", f"a token has {MIN_TOKEN_LENGTH} or more letters")
        if name in self._exchanges:
            try:
                self.open_server(name, token)
            except ForbiddenError as error:
                raise ConflictError(
                    "server_exists", f"server {name!r} exists with another token", server=name
                ) from error
            return
        path = self.options.data / f"{name}.server.sqlite"
        store = Store.create(
            path,
            token,
            kept_events=self.options.kept_events,
            block_allocation=block_allocation,
        )
        self._start(name, store)
        log.info("created server %s", name)

    def check_admin(self, token: str) -> None:
        """ForbiddenError `auth_failed`. Without an admin token every (local) peer is admin."""
        if not hmac.compare_digest(token.encode(), self.options.admin_token.encode()):
            raise ForbiddenError("auth_failed", "the admin token is not right")

    def history(self, symbol: str, from_ms: int, to_ms: int) -> list[RawBar]:
        if self.generator is None:
            return []
        return self.generator.bars(symbol, from_ms, to_ms, self.market.now_ms())

    def _start(self, name: str, store: Store) -> None:
        exchange = Exchange(name, store, self.market, HANDLERS)
        self._exchanges[name] = exchange

        def on_ticks(ticks: list[tuple[str, Tick]]) -> None:
            for symbol, tick in ticks:
                try:
                    orders.on_tick(exchange, symbol, tick)
                except Exception:  # one server's trouble must not stop the quotes of the others
                    log.exception("%s: a %s quote could not be worked", name, symbol)

        self.market.listen(on_ticks)

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(EXPIRE_EVERY_S)
            for exchange in self._exchanges.values():
                orders.expire(exchange)

    async def _stop_out(self) -> None:
        while True:
            await asyncio.sleep(STOP_OUT_EVERY_S)
            for name, exchange in self._exchanges.items():
                try:
                    stopouts.check(exchange, self.options.stop_out_pct)
                except Exception:  # one server's trouble must not stop the others
                    log.exception("%s: the stop-out could not be checked", name)

    # -- sockets

    async def _listen(self) -> tuple[asyncio.Server, str]:
        target = wire.parse_url(self.options.listen)
        if isinstance(target, str):
            _clear_socket(target)
            server = await asyncio.start_unix_server(self._connected, target, limit=1 << 20)
            _only_for_us(target)
            return server, f"unix:{target}"
        server = await asyncio.start_server(self._connected, *target, limit=1 << 20)
        host, port = server.sockets[0].getsockname()[:2]
        return server, f"tcp://{host}:{port}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await Connection(self, reader, writer).run()
        finally:
            self._connections.discard(task)


def _lock(data: Path) -> IO[str]:
    """Held while we live (the kernel drops it at any death). ConflictError `data_in_use`."""
    lock = (data / "simulator.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise ConflictError("data_in_use", f"another simulator works on {data}") from error
    return lock


def _clear_socket(path: str) -> None:
    """A killed process leaves its socket's name behind."""
    with contextlib.suppress(FileNotFoundError):
        if Path(path).is_socket():
            Path(path).unlink()


def _only_for_us(path: str) -> None:
    Path(path).chmod(0o600)
