"""The main job's people and accounts: a fresh master with N sub-accounts on the simulator."""

from __future__ import annotations

import asyncio
import random
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import close_old_connections

from apps.accounts.models import Link, Master, Role, TradingAccount, TradingServer, User
from apps.allocation.models import AccountState
from apps.core.book.codec import vec
from apps.core.book.commands import LinkAccounts
from apps.core.errors import UnavailableError
from apps.demo.main_job_calls import patiently
from apps.engine import client
from apps.servers.acks import Done
from apps.servers.commands import CreateAccount
from apps.servers.registry import open_server
from apps.servers.simulator.admin import open_admin
from tenants.door import all_brokers, broker_schema
from tenants.services import NewBroker, create_broker

CURRENCIES = (("USD", 100), ("EUR", 100), ("GBP", 100), ("JPY", 15_000))
_LINK_TIMEOUT_S = 60.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Stage:
    """What the job works on."""

    broker: str
    book_id: uuid.UUID
    server_id: int
    account_ids: list[int]


def make_stage(broker: str, accounts: int, seed: int, say: Say) -> Stage:
    """Make everything afresh (the broker and its server only when missing) and link it."""
    if broker not in all_brokers():
        say(f"creating broker {broker}")
        create_broker(
            NewBroker(
                slug=broker,
                legal_name=f"{broker.capitalize()} (main job)",
                domain=f"{broker}.{settings.PUBLIC_HOST}",
                admin_email=f"admin@{broker}.example",
            )
        )
    with broker_schema(broker):
        server = server_of(broker)
    say(f"opening {accounts} accounts on {server.name}")
    commands = _new_accounts(accounts, random.Random(seed))
    logins = asyncio.run(_open_accounts(server, commands))
    with broker_schema(broker):
        stage = _record(broker, server, commands, logins)
    client.wake()
    say(f"linking {accounts} accounts to book {stage.book_id}")
    _link(stage)
    return stage


def server_of(broker: str) -> TradingServer:
    name = f"{broker}-sim"
    server = TradingServer.objects.filter(name=name).first()
    if server is None:
        server = TradingServer(
            name=name,
            kind=TradingServer.Kind.SIMULATOR,
            config={"url": settings.SIM_URL, "server": name},
        )
        server.set_secret(secrets.token_urlsafe(24))
        server.save()
    return server


def _new_accounts(count: int, rng: random.Random) -> list[CreateAccount]:
    """The master, then sub-accounts of 500 to 250,000 units of money, log-normally spread."""
    commands = [
        CreateAccount(
            command_id=uuid.uuid4(), kind="master", currency="USD", leverage=500, name="Main job"
        )
    ]
    for _ in range(count):
        currency, scale = rng.choice(CURRENCIES)
        amount = min(max(rng.lognormvariate(9, 1.2), 500), 250_000)
        digits = Decimal(1) if currency == "JPY" else Decimal("0.01")
        deposit = Decimal(amount * scale / 100).quantize(digits)
        commands.append(
            CreateAccount(
                command_id=uuid.uuid4(),
                kind="sub",
                currency=currency,
                leverage=rng.choice([30, 100, 200]),
                deposit=deposit,
            )
        )
    return commands


async def _open_accounts(server: TradingServer, commands: list[CreateAccount]) -> list[int]:
    token = server.secret()
    async with open_admin(server.config["url"]) as admin:
        await admin.create_server(server.config["server"], token)
    adapter = open_server(server.kind, {**server.config, "token": token})
    await adapter.connect()
    try:
        logins = []
        for command in commands:
            ack = await adapter.create_account(command)
            assert isinstance(ack, Done), ack
            assert ack.login is not None, ack
            logins.append(ack.login)
        return logins
    finally:
        await adapter.close()


def _record(
    broker: str, server: TradingServer, commands: list[CreateAccount], logins: list[int]
) -> Stage:
    """Rows of what the server opened."""
    email = f"main-job@{broker}.example"
    manager = User.objects.filter(email=email).first() or User.objects.create_user(
        email, None, roles=[Role.MANAGER]
    )
    accounts = TradingAccount.objects.bulk_create(
        [
            TradingAccount(
                server=server,
                login=login,
                kind=command.kind,
                currency=command.currency,
                leverage=command.leverage,
            )
            for command, login in zip(commands, logins, strict=True)
        ]
    )
    master = Master.objects.create(account=accounts[0], manager=manager, name="Main job")
    Link.objects.bulk_create(
        [
            Link(master=master, account=account, status=Link.Status.INVITED)
            for account in accounts[1:]
        ]
    )
    return Stage(broker, master.public_id, server.pk, [account.pk for account in accounts[1:]])


def _link(stage: Stage) -> None:
    """All of them in one record of the book's journal; a stage may have none."""
    if not stage.account_ids:
        return
    command = LinkAccounts(
        command_id=uuid.uuid5(stage.book_id, "link"), account_ids=vec(sorted(stage.account_ids))
    )
    outcome = patiently(
        lambda: client.execute(stage.broker, stage.book_id, command, timeout_s=_LINK_TIMEOUT_S)
    )
    assert outcome.result["linked"] == len(stage.account_ids), outcome.result
    patiently(lambda: _check_rows(stage))
    close_old_connections()


def _check_rows(stage: Stage) -> None:
    """The record follows the journal: raises UnavailableError until it has every account."""
    with broker_schema(stage.broker):
        rows = AccountState.objects.filter(book_id=stage.book_id).count()
    if rows < len(stage.account_ids):
        raise UnavailableError("not_projected", "The accounts are not in the record yet.")
