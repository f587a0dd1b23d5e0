"""The demo: two brokers with people, masters, accounts, links and a few blocks.

Every step asks what is there already, so a second run changes nothing and a run that was cut
off goes on where it stopped. It uses the same services as the pages do.
"""

from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Callable
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from tenants.demo_brands import DEMO_BRANDS

from apps.accounts.models import Link, Master, Role, TradingAccount, TradingServer, User
from apps.core.book.commands import CloseBlock, PlaceBlock
from apps.core.errors import ProrataError, UnavailableError, UnknownOutcomeError
from apps.demo.cast import BROKERS, PASSWORD, SEEDED_BLOCKS, DemoBroker, DemoMaster
from apps.engine import links, provisioning
from apps.engine.client import execute, wake
from apps.servers.commands import CreateAccount
from tenants.door import all_brokers, broker_schema
from tenants.services import NewBroker, create_broker

Say = Callable[[str], None]
_NAMESPACE = uuid.UUID("0c7b9b1e-51d8-5a86-8a53-7d0a3c1c6a10")
_PATIENCE_S = 30.0  # how long a step waits for the engine to take up a new book


def seed(say: Say) -> list[dict[str, str]]:
    """Make what is missing; the log-ins, one dict each: broker, role, email, password, url."""
    logins: list[dict[str, str]] = []
    for demo in BROKERS:
        say(f"{demo.slug}: broker and people")
        _broker(demo)
        with broker_schema(demo.slug):
            server = _server(demo.slug)
            for cast in demo.masters:
                _master(demo.slug, server, cast, say)
            logins += _logins(demo)
    return logins


def seed_blocks(say: Say) -> None:
    """A few blocks per master, so that the pages show a book at work."""
    for demo in BROKERS:
        with broker_schema(demo.slug):
            for master in Master.objects.order_by("id"):
                say(f"{demo.slug}: blocks of {master.name}")
                for number, (symbol, side, lots, closed) in enumerate(SEEDED_BLOCKS):
                    _block(demo.slug, master, number, symbol, side, lots, closed)


def _id(*parts: object) -> uuid.UUID:
    """The same id on every run: repeating the seed repeats commands, which changes nothing."""
    return uuid.uuid5(_NAMESPACE, "/".join(map(str, parts)))


def _broker(demo: DemoBroker) -> None:
    if demo.slug in all_brokers():
        return
    create_broker(
        NewBroker(
            slug=demo.slug,
            legal_name=demo.legal_name,
            domain=f"{demo.slug}.{settings.PUBLIC_HOST}",
            admin_email=f"admin@{demo.slug}.example",
            admin_password=PASSWORD,
            brand=DEMO_BRANDS[demo.slug],
        )
    )


def _person(email: str, full_name: str, role: str) -> User:
    user = User.objects.filter(email=email).first()
    if user is None:
        return User.objects.create_user(email, PASSWORD, roles=[role], full_name=full_name)
    return user


def _server(slug: str) -> TradingServer:
    """The broker's own named server on the simulator; its token is made once and sealed."""
    server = TradingServer.objects.filter(name=f"{slug}-sim").first()
    if server is None:
        server = TradingServer(
            name=f"{slug}-sim",
            kind=TradingServer.Kind.SIMULATOR,
            config={"url": settings.SIM_URL, "server": f"{slug}-sim"},
        )
        server.set_secret(secrets.token_urlsafe(24))
        server.save()
    return server


def _master(slug: str, server: TradingServer, cast: DemoMaster, say: Say) -> Master:
    _person(f"finance@{slug}.example", "Finance", Role.FINANCE)
    manager = _person(cast.manager_email, cast.manager_name, Role.MANAGER)
    owners = [_person(i.email, i.full_name, Role.INVESTOR) for i in cast.investors]
    say(f"{slug}: {cast.name}, {len(owners)} accounts")
    commands = [
        CreateAccount(
            command_id=_id(slug, cast.name, "master"), kind="master", currency=cast.currency,
            leverage=100, name=cast.name,
        ),
        *(
            CreateAccount(
                command_id=_id(slug, cast.name, i.email), kind="sub", currency=i.currency,
                leverage=100, deposit=i.deposit, name=i.full_name,
            )
            for i in cast.investors
        ),
    ]  # fmt: skip
    master_account, *accounts = provisioning.open_accounts(server, commands, [manager, *owners])
    master = _master_row(cast, manager, master_account)
    wake()
    for account in accounts:
        if not Link.objects.filter(account=account, status=Link.Status.ACTIVE).exists():
            _patiently(lambda a=account: links.join(slug, master, a, None))  # type: ignore[misc]
    return master


def _master_row(cast: DemoMaster, manager: User, account: TradingAccount) -> Master:
    with transaction.atomic():
        master, _ = Master.objects.get_or_create(
            account=account,
            defaults={
                "manager": manager,
                "name": cast.name,
                "description": cast.description,
                "rule": {"method": "equity"},
                "is_public": True,
            },
        )
    return master


def _block(
    slug: str, master: Master, number: int, symbol: str, side: str, lots: str, closed: str
) -> None:
    block_id = _id(slug, master.public_id, "block", number)
    _patiently(
        lambda: execute(
            slug,
            master.public_id,
            PlaceBlock(
                command_id=block_id, symbol=symbol, side=side,  # type: ignore[arg-type]
                volume_lots=Decimal(lots), placed_by="demo",
            ),
        )
    )  # fmt: skip
    if Decimal(closed):
        _patiently(
            lambda: execute(
                slug,
                master.public_id,
                CloseBlock(
                    command_id=_id(block_id, "close"), block_id=block_id,
                    volume_lots=Decimal(closed), placed_by="demo",
                ),
            )
        )  # fmt: skip


def _patiently(step: Callable[[], object]) -> None:
    """Repeat `step` while the engine is not there yet; the same ids make repeating harmless."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            step()
        except (UnavailableError, UnknownOutcomeError):
            if time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        except ProrataError as error:
            # A freshly placed block is not open until its fill is booked; quotes may still warm up.
            if error.code not in _WARMING_UP or time.monotonic() > deadline:
                raise
            time.sleep(0.3)
        else:
            return


_WARMING_UP = frozenset({"block_not_open", "quote_stale", "no_quote", "symbol_unknown"})


def _logins(demo: DemoBroker) -> list[dict[str, str]]:
    url = f"http://{demo.slug}.{settings.PUBLIC_HOST}:{settings.WEB_PORT}/"
    first = demo.masters[0]
    people = [
        (Role.ADMIN, f"admin@{demo.slug}.example"),
        (Role.FINANCE, f"finance@{demo.slug}.example"),
        (Role.MANAGER, first.manager_email),
        (Role.INVESTOR, first.investors[0].email),
    ]
    return [
        {"broker": demo.slug, "role": role, "email": email, "password": PASSWORD, "url": url}
        for role, email in people
    ]
