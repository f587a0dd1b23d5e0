"""The demo: two brokers with people, masters, accounts, links and a few blocks.

Every step asks what is there already, so a second run changes nothing and a run that was cut
off goes on where it stopped. It uses the same services as the pages do.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Link, Master, Role, TradingAccount, TradingServer, User
from apps.allocation.models import Block
from apps.billing.services.plans import performance_plan, set_fee_plan
from apps.core.book.commands import CloseBlock, PlaceBlock, Side
from apps.core.errors import UnavailableError, UnknownOutcomeError
from apps.demo.cast import BROKERS, PASSWORD, SEEDED_BLOCKS, DemoBroker, DemoMaster
from apps.demo.server import demo_server
from apps.engine import links, provisioning
from apps.engine.client import execute, latest_quotes, wake
from apps.leaderboards.board import refresh_board
from apps.servers.commands import CreateAccount
from tenants.demo_brands import DEMO_BRANDS
from tenants.door import all_brokers, broker_schema
from tenants.services import NewBroker, create_broker

Say = Callable[[str], None]
_NAMESPACE = uuid.UUID("0c7b9b1e-51d8-5a86-8a53-7d0a3c1c6a10")
_PATIENCE_S = 60.0  # how long a step waits for the engine, a quote or a fill
_QUOTE_AGE_MS = 5_000


def seed(say: Say) -> list[dict[str, str]]:
    """Make what is missing; the log-ins, one dict each: broker, role, email, password, url."""
    logins: list[dict[str, str]] = []
    for demo in BROKERS:
        say(f"{demo.slug}: broker and people")
        _broker(demo)
        with broker_schema(demo.slug) as broker:
            server = demo_server(demo.slug)
            for cast in demo.masters:
                make_master(demo.slug, server, cast, say)
            refresh_board(str(broker.base_currency))
            logins += _logins(demo)
    return logins


def seed_blocks(say: Say) -> None:
    """A few blocks per master, so that the pages show a book at work."""
    for demo in BROKERS:
        with broker_schema(demo.slug) as demo_broker:
            for master in Master.objects.order_by("id"):
                say(f"{demo.slug}: blocks of {master.name}")
                for number, (symbol, side, lots, closed) in enumerate(SEEDED_BLOCKS):
                    _block(demo.slug, master, number, symbol, side, lots, closed)
            refresh_board(demo_broker.base_currency)


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


def make_master(slug: str, server: TradingServer, cast: DemoMaster, say: Say) -> Master:
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
    active = Link.objects.filter(account__in=accounts, status=Link.Status.ACTIVE)
    joined = set(active.values_list("account_id", flat=True))
    new = [account.public_id for account in accounts if account.pk not in joined]
    if new:
        command_id = _id(slug, cast.name, "links", *new)
        _patiently(lambda: links.join_many(slug, master, new, None, command_id=command_id))
    return master


def _master_row(cast: DemoMaster, manager: User, account: TradingAccount) -> Master:
    with transaction.atomic():
        master, is_new = Master.objects.get_or_create(
            account=account,
            defaults={
                "manager": manager,
                "name": cast.name,
                "description": cast.description,
                "rule": {"method": "equity"},
                "is_public": True,
            },
        )
        if is_new:
            plan = performance_plan(
                rate=Decimal("0.20"),
                manager_share=Decimal("0.70"),
                effective_from=timezone.now().date().replace(day=1),
            )
            set_fee_plan(None, master, plan)
    return master


def _block(
    slug: str, master: Master, number: int, symbol: str, side: Side, lots: str, closed: str
) -> None:
    """A refusal is recorded under its command id, so each step waits until it can succeed."""
    book_id, block_id = master.public_id, _id(slug, master.public_id, "block", number)
    if Block.objects.filter(id=block_id).exists():
        return
    _wait(f"a fresh quote of {symbol}", lambda: _is_quoted(slug, symbol))
    place = PlaceBlock(
        command_id=block_id,
        symbol=symbol,
        side=side,
        volume_lots=Decimal(lots),
        placed_by="demo",
    )
    _patiently(lambda: execute(slug, book_id, place))
    if not Decimal(closed):
        return
    _wait("the block's fill", lambda: _is_open(block_id))
    close = CloseBlock(
        command_id=_id(block_id, "close"),
        block_id=block_id,
        volume_lots=Decimal(closed),
        placed_by="demo",
    )
    _patiently(lambda: execute(slug, book_id, close))


def _is_quoted(slug: str, symbol: str) -> bool:
    quote = latest_quotes(slug).get(symbol)
    return quote is not None and time.time() * 1000 - quote.at_ms < _QUOTE_AGE_MS


def _is_open(block_id: uuid.UUID) -> bool:
    return Block.objects.filter(id=block_id, state=Block.State.OPEN).exists()


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
        else:
            return


def _wait(what: str, is_there: Callable[[], bool]) -> None:
    """Raises UnavailableError("demo_not_ready") when it does not come in time."""
    deadline = time.monotonic() + _PATIENCE_S
    while not is_there():
        if time.monotonic() > deadline:
            raise UnavailableError("demo_not_ready", f"{what} did not come in {_PATIENCE_S:g} s")
        time.sleep(0.2)


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
