"""A desk: a broker's book on a real simulator process, run by an engine, asked by its client."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from django.db import connections

from apps.core.book.commands import AdjustBalance, CloseBlock, Command, PlaceBlock
from apps.demo.main_job_setup import Stage
from apps.engine import client, sql
from apps.engine.projector import connect
from apps.engine.runner import Engine
from apps.engine.verification import Report, verify_book
from apps.servers.simulator.admin import Admin, open_admin
from apps.servers.simulator.messages import Fault

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


class EngineThread:
    """The engine in a thread of this process: quick to start, stopped cleanly."""

    def __init__(self, owner: str, broker: str, compare_every_s: float = 30.0) -> None:
        self._owner, self._broker = owner, broker
        self._compare_every_s = compare_every_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> EngineThread:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        wait_for(lambda: self._task)
        assert self._loop is not None
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(20)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._main())

    async def _main(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        await Engine(self._owner, [self._broker], self._compare_every_s).run()


class Supervisor:
    """The engine as a process that is started again whenever it dies, as the Procfile's is."""

    def __init__(self, broker: str, environment: dict[str, str], pid_file: Path) -> None:
        self.pid_file = pid_file
        self._command = [sys.executable, "manage.py", "run_engine", "--broker", broker]
        self._environment = {**environment, "ENGINE_PID_FILE": str(pid_file)}
        self._over = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
        self._thread.join(20)

    def kill(self) -> None:
        """kill -9 whatever runs now."""
        wait_for(lambda: self.pid_file.exists() and self.pid_file.read_text().strip())
        os.kill(int(self.pid_file.read_text()), signal.SIGKILL)

    def _run(self) -> None:
        while not self._over.is_set():
            with (self.pid_file.parent / "engine.log").open("ab") as log:
                self._process = subprocess.Popen(
                    self._command, cwd=ROOT, env=self._environment, stdout=log, stderr=log
                )
            self._process.wait()


def wait_for(question: Callable[[], T], within_s: float = 20.0) -> T:
    """Ask until the answer is truthy."""
    deadline_s = time.monotonic() + within_s
    while True:
        answer = question()
        if answer:
            return answer
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.02)


def committed(work: Callable[[], T]) -> T:
    """Run `work` outside the test's transaction, so that other processes see what it writes."""

    def alone() -> T:
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as threads:
        return threads.submit(alone).result()


@dataclass
class Desk:
    """What a test works with. Symbols fed by the test have the price that it says."""

    stage: Stage
    sim_url: str

    @property
    def broker(self) -> str:
        return self.stage.broker

    def execute(self, command: Command, timeout_s: float = 10.0) -> client.Outcome:
        return client.execute(self.broker, self.stage.book_id, command, timeout_s=timeout_s)

    def place(self, lots: str = "5.00", symbol: str = "EURUSD", **over: Any) -> uuid.UUID:
        """Place a block; its id."""
        command = PlaceBlock(
            command_id=uuid.uuid4(),
            symbol=symbol,
            side=over.pop("side", "buy"),
            volume_lots=Decimal(lots),
            **over,
        )
        self.execute(command)
        return command.command_id

    def close(self, block_id: uuid.UUID, **over: Any) -> client.Outcome:
        return self.execute(CloseBlock(command_id=uuid.uuid4(), block_id=block_id, **over))

    def adjust(self, account_id: int, kind: Any, amount_minor: int) -> client.Outcome:
        return self.execute(
            AdjustBalance(
                command_id=uuid.uuid4(),
                account_id=account_id,
                kind=kind,
                amount_minor=amount_minor,
            )
        )

    def sql(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of `query` with {block}, {ticket} … as this broker's tables."""
        with connect() as connection:
            statement = sql.statement(self.broker, query)
            return connection.execute(statement, parameters).fetchall()

    def do(self, query: str, *parameters: Any) -> None:
        """Change rows behind everybody's back."""
        with connect() as connection:
            connection.execute(sql.statement(self.broker, query), parameters)

    def state_of(self, block_id: uuid.UUID) -> str:
        rows = self.sql("SELECT state FROM {block} WHERE id = %s", block_id)
        return str(rows[0][0]) if rows else ""

    def wait_state(self, block_id: uuid.UUID, state: str) -> None:
        wait_for(lambda: self.state_of(block_id) == state)

    def flat(self) -> None:
        """Close and cancel whatever is left."""
        for block_id, _ in self.sql(
            "SELECT id, state FROM {block} WHERE book_id = %s AND state = 'open'",
            self.stage.book_id,
        ):
            self.close(block_id)
            self.wait_state(block_id, "closed")

    def verify(self) -> Report:
        report = verify_book(self.broker, self.stage.book_id)
        assert report.server == "equal"
        return report

    def fault(self, kind: str, **options: int) -> None:
        """Arm one fault of the trading server."""

        async def arm(admin: Admin) -> None:
            await admin.fault(Fault(server=f"{self.broker}-sim", kind=kind, **options))

        self._admin(arm)

    @contextmanager
    def price(self, symbol: str) -> Iterator[Callable[[int, int], None]]:
        """Take a symbol's quotes over: the block calls `set(bid, ask)` in points."""
        loop = asyncio.new_event_loop()
        context = open_admin(self.sim_url)
        admin = loop.run_until_complete(context.__aenter__())
        loop.run_until_complete(admin.feed_start([symbol]))
        try:
            yield lambda bid, ask: loop.run_until_complete(self._feed(admin, symbol, bid, ask))
        finally:
            loop.run_until_complete(context.__aexit__(None, None, None))
            loop.close()

    @contextmanager
    def euro(self, bid: int = 108_000, ask: int = 108_010) -> Iterator[Callable[[int, int], None]]:
        """EURUSD as the test says; each price is seen by the engine before the call returns."""
        with self.price("EURUSD") as feed:

            def quote(bid: int, ask: int) -> None:
                feed(bid, ask)
                want = f"{Decimal(bid).scaleb(-5):.5f}"
                wait_for(lambda: self._bid("EURUSD") == want)

            quote(bid, ask)
            yield quote

    def _bid(self, symbol: str) -> str:
        """As last published; empty while an engine that has just begun has published none."""
        seen = client.latest_quotes(self.broker).get(symbol)
        return seen.bid if seen is not None else ""

    def column(self, block_id: uuid.UUID, *names: str) -> tuple[Any, ...]:
        """These columns of a block's row."""
        rows = self.sql("SELECT " + ", ".join(names) + " FROM {block} WHERE id = %s", block_id)
        return rows[0]

    async def _feed(self, admin: Admin, symbol: str, bid: int, ask: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        await admin.feed_quotes([(symbol, bid, ask, now_ms, now_ms)])

    def _admin(self, use: Callable[[Admin], Any]) -> None:
        async def run() -> None:
            async with open_admin(self.sim_url) as admin:
                await use(admin)

        asyncio.run(run())
