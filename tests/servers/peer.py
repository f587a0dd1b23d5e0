"""What a conformance run needs beside an adapter: a peer that can be quoted, broken and killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np

from apps.servers.acks import Done
from apps.servers.base import TradingServer
from apps.servers.commands import (
    AllocateClose,
    AllocateOpen,
    BalanceOperation,
    CreateAccount,
    SubmitOrder,
)
from apps.servers.events import Event, Fill
from apps.servers.registry import open_server
from apps.servers.simulator.admin import Admin, open_admin
from apps.servers.simulator.messages import Fault
from apps.servers.simulator.symbols import SYMBOLS
from apps.servers.types import AccountKind, Side

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a-manager-token"
E = TypeVar("E")


class Peer(Protocol):
    """The far side of an adapter under test."""

    def adapter(self, *, timeout_s: float = 5.0) -> TradingServer: ...
    async def quote(self, symbol: str, bid: str, ask: str) -> None: ...
    async def fault(self, kind: str, **options: int) -> None: ...
    async def trade_outside(self, login: int, symbol: str, side: Side, lots: str) -> None: ...
    async def kill(self) -> None: ...
    async def restart(self) -> None: ...


class SimulatorProcess:
    """A real process on a real socket. `start` after `kill` reuses address and data."""

    def __init__(self, data: Path, *options: str, listen: str = "127.0.0.1:0") -> None:
        self.data = data
        self.url = ""
        self._listen = listen
        self._options = options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "apps.servers.simulator", "--data", str(self.data)]
        command += ["--listen", self._listen, *self._options]
        environment = {k: v for k, v in os.environ.items() if k != "SIM_ADMIN_TOKEN"}
        with (self.data.parent / f"{self.data.name}.log").open("a") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=log
            )
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], 20)
        line = self._process.stdout.readline() if readable else ""
        if "listening on" not in line:
            self.kill()
            raise RuntimeError(f"the simulator did not start: {line!r}")
        self.url = line.split()[-1]
        self._listen = self.url

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        return self._end(signal.SIGTERM)

    def _end(self, number: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        status = process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
        return status


@contextmanager
def running(data: Path, *options: str, listen: str = "127.0.0.1:0") -> Iterator[SimulatorProcess]:
    data.mkdir(parents=True, exist_ok=True)
    process = SimulatorProcess(data, *options, listen=listen)
    process.start()
    try:
        yield process
    finally:
        process.kill()


class SimulatorPeer:
    """A fresh named server of a running simulator."""

    def __init__(self, process: SimulatorProcess, *, block_allocation: bool = True) -> None:
        self.process = process
        self._block_allocation = block_allocation
        self.name = f"test-{uuid.uuid4().hex[:12]}"
        self._admin: Admin | None = None
        self._stack = contextlib.AsyncExitStack()

    async def open(self, *, quoted: bool = True) -> None:
        await self._connect(quoted)
        assert self._admin is not None
        await self._admin.create_server(self.name, TOKEN, block_allocation=self._block_allocation)

    async def _connect(self, quoted: bool) -> None:
        """`quoted`: from now on the test is the only source of prices."""
        self._admin = await self._stack.enter_async_context(open_admin(self.process.url))
        if quoted:
            await self._admin.feed_start(SYMBOLS)
            await self.quotes_at_hand()

    async def close(self) -> None:
        await self._stack.aclose()

    async def quotes_at_hand(self) -> None:
        for symbol, bid, ask in (
            ("EURUSD", "1.10000", "1.10010"),
            ("GBPUSD", "1.25000", "1.25020"),
            ("USDJPY", "150.000", "150.010"),
            ("USDCHF", "0.90000", "0.90010"),
        ):
            await self.quote(symbol, bid, ask)

    def adapter(self, *, timeout_s: float = 5.0) -> TradingServer:
        config = {"url": self.process.url, "server": self.name, "token": TOKEN}
        return open_server("simulator", {**config, "timeout_s": timeout_s})

    async def quote(self, symbol: str, bid: str, ask: str) -> None:
        assert self._admin is not None
        spec = SYMBOLS[symbol]
        points = spec.to_points(Decimal(bid)), spec.to_points(Decimal(ask))
        await self._admin.feed_quotes([(symbol, *points, 0, 1_700_000_000_000)])

    async def fault(self, kind: str, **options: int) -> None:
        assert self._admin is not None
        await self._admin.fault(Fault(server=self.name, kind=kind, **options))

    async def trade_outside(self, login: int, symbol: str, side: Side, lots: str) -> None:
        async with open_admin(self.process.url) as terminal:
            await terminal.log_in(self.name, TOKEN)
            await terminal.terminal(
                SubmitOrder(
                    command_id=uuid.uuid4(),
                    login=login,
                    symbol=symbol,
                    side=side,
                    lots=Decimal(lots),
                )
            )

    async def kill(self) -> None:
        await asyncio.to_thread(self.process.kill)

    async def restart(self) -> None:
        await self._stack.aclose()
        await asyncio.to_thread(self.process.start)
        await self._connect(quoted=True)


class Watch:
    """A session with a consumer of its events that remembers what it was told."""

    def __init__(self, server: TradingServer, from_seq: int = 0) -> None:
        self.server = server
        self.events: list[Event] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._consume(server.events(from_seq)))

    async def _consume(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            self.events.append(event)
            self._changed.set()

    def told(self, event_type: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, event_type)]

    async def until(self, reached: Callable[[], Any], timeout_s: float = 8.0) -> None:
        """Waits until `reached()` is true of what was told; AssertionError when it never is."""
        try:
            async with asyncio.timeout(timeout_s):
                while not reached():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError as error:
            raise AssertionError(f"never told; got {self.events[-8:]}") from error

    async def reached(self, seq: int) -> None:
        await self.until(lambda: any(event.seq == seq for event in self.events))

    async def fill(self, number: int = 1) -> Fill:
        """The `number`-th fill told so far or to come (1-based)."""
        await self.until(lambda: len(self.told(Fill)) >= number)
        return self.told(Fill)[number - 1]

    async def close(self) -> None:
        await self.server.close()
        await self._task


@asynccontextmanager
async def session(peer: Peer, *, from_seq: int = 0, timeout_s: float = 5.0) -> AsyncIterator[Watch]:
    """A connected adapter whose events are watched from `from_seq` on."""
    watch = Watch(peer.adapter(timeout_s=timeout_s), from_seq)
    try:
        await watch.server.connect()
        yield watch
    finally:
        await watch.close()


# -- short ways to say commands


def packed(values: list[int]) -> bytes:
    return np.asarray(values, dtype="<i8").tobytes()


def unpacked(vector: bytes) -> list[int]:
    values: list[int] = np.frombuffer(vector, dtype="<i8").tolist()
    return values


def order(login: int, symbol: str, side: Side, lots: str, **more: Any) -> SubmitOrder:
    return SubmitOrder(
        command_id=uuid.uuid4(), login=login, symbol=symbol, side=side, lots=Decimal(lots), **more
    )


def deposit(login: int, amount: str, kind: Any = "deposit") -> BalanceOperation:
    return BalanceOperation(command_id=uuid.uuid4(), login=login, kind=kind, amount=Decimal(amount))


def open_tickets(fill: Fill, rows: list[tuple[int, int, int]]) -> AllocateOpen:
    """rows: (login, steps, ticket id)"""
    logins, steps, tickets = (packed(list(column)) for column in zip(*rows, strict=True))
    return AllocateOpen(
        command_id=uuid.uuid4(),
        login=fill.login,
        deal_ids=(fill.deal_id,),
        price=fill.price,
        logins=logins,
        steps=steps,
        ticket_ids=tickets,
    )


def close_tickets(fill: Fill, rows: list[tuple[int, int]]) -> AllocateClose:
    """rows: (ticket id, steps)"""
    tickets, steps = (packed(list(column)) for column in zip(*rows, strict=True))
    return AllocateClose(
        command_id=uuid.uuid4(),
        login=fill.login,
        deal_ids=(fill.deal_id,),
        price=fill.price,
        ticket_ids=tickets,
        steps=steps,
    )


async def open_account(
    server: TradingServer,
    login: int,
    *,
    kind: AccountKind = "sub",
    currency: str = "USD",
    amount: str = "10000",
) -> None:
    ack = await server.create_account(
        CreateAccount(
            command_id=uuid.uuid4(),
            login=login,
            kind=kind,
            currency=currency,
            leverage=100,
            deposit=Decimal(amount),
        )
    )
    assert isinstance(ack, Done), ack
