"""A second trading server of a broker: another process, another catalogue, accounts of its own."""

from __future__ import annotations

import asyncio
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from apps.accounts.models import Master, SymbolMap, TradingAccount, TradingServer
from apps.core.book.commands import LinkAccount
from apps.core.errors import RejectedError, UnavailableError, UnknownOutcomeError
from apps.engine import client
from apps.servers.acks import Done
from apps.servers.commands import CreateAccount
from apps.servers.registry import open_server
from apps.servers.simulator.admin import Admin, open_admin
from apps.servers.simulator.messages import Fault
from tenants.door import broker_schema
from tests.engine.desk import Desk, committed, wait_for
from tests.servers.peer import SimulatorProcess

# Another broker's server: suffixes, a tenth of the contract, a coarser step, one digit less.
DIALECT = ("--suffix", ".pro", "--contract-size", "10000", "--volume-step", "0.05",
           "--fewer-digits", "1")  # fmt: skip
QUOTED = {"EURUSD.pro": (10_800, 10_801), "USDJPY.pro": (15_000, 15_001)}


class Feed:
    """The only source of the second server's prices, in its own points."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._context = open_admin(url)
        self._admin: Admin = self._loop.run_until_complete(self._context.__aenter__())
        self._loop.run_until_complete(self._admin.feed_start(QUOTED))

    def set(self, symbol: str, bid: int, ask: int) -> None:
        now_ms = time.time_ns() // 1_000_000
        self._loop.run_until_complete(self._admin.feed_quotes([(symbol, bid, ask, now_ms, now_ms)]))

    def all(self) -> None:
        for symbol, (bid, ask) in QUOTED.items():
            self.set(symbol, bid, ask)

    def close(self) -> None:
        self._loop.run_until_complete(self._context.__aexit__(None, None, None))
        self._loop.run_until_complete(asyncio.sleep(0))  # what was cancelled ends
        self._loop.close()


@dataclass
class Elsewhere:
    """`account_ids`: the broker's accounts there."""

    process: SimulatorProcess
    server_id: int
    name: str
    account_ids: list[int]
    feed: Feed

    def fault(self, kind: str, **options: int) -> None:
        async def arm() -> None:
            async with open_admin(self.process.url) as admin:
                await admin.fault(Fault(server=self.name, kind=kind, **options))

        asyncio.run(arm())


def _make_server(url: str, name: str) -> TradingServer:
    row = TradingServer(
        name=name, kind=TradingServer.Kind.SIMULATOR, config={"url": url, "server": name}
    )
    row.set_secret(secrets.token_urlsafe(24))
    row.save()
    return row


async def _open_there(row: TradingServer, count: int) -> list[int]:
    async with open_admin(row.config["url"]) as admin:
        await admin.create_server(row.name, row.secret(), block_allocation=False)
    server = open_server(row.kind, {**row.config, "token": row.secret()})
    await server.connect()
    try:
        logins = []
        for _ in range(count):
            command = CreateAccount(
                command_id=uuid.uuid4(),
                kind="sub",
                currency="USD",
                leverage=100,
                deposit=Decimal(100_000),
            )
            ack = await server.create_account(command)
            assert isinstance(ack, Done)
            assert ack.login is not None
            logins.append(ack.login)
        return logins
    finally:
        await server.close()


@contextmanager
def second_server(desk: Desk, data: Path, count: int) -> Iterator[Elsewhere]:
    """A server beside the desk's, mapped from it, with `count` linked accounts."""
    process = SimulatorProcess(data, "--faults", "--quotes", "none", *DIALECT)
    process.start()
    feed = Feed(process.url)
    feed.all()
    name = f"{desk.broker}-pro"

    def record() -> tuple[int, list[int]]:
        with broker_schema(desk.broker):
            row = _make_server(process.url, name)
        logins = asyncio.run(_open_there(row, count))
        with broker_schema(desk.broker):
            master = Master.objects.select_related("account").get(public_id=desk.stage.book_id)
            SymbolMap.objects.create(
                source_id=master.account.server_id, target=row, target_suffix=".pro"
            )
            accounts = [
                TradingAccount.objects.create(
                    server=row, login=login, kind="sub", currency="USD", leverage=100
                )
                for login in logins
            ]
            return row.pk, [account.pk for account in accounts]

    server_id, account_ids = committed(record)
    for account_id in account_ids:
        _link(desk, account_id)
    made = Elsewhere(process, server_id, name, account_ids, feed)
    yield made
    made.feed.close()
    process.kill()


def _link(desk: Desk, account_id: int) -> None:
    """Until the engine has found the map and is connected there."""

    def linked() -> bool:
        try:
            desk.execute(LinkAccount(command_id=uuid.uuid4(), account_id=account_id))
        except (RejectedError, UnavailableError, UnknownOutcomeError):
            client.wake()
            return False
        return True

    wait_for(linked)
