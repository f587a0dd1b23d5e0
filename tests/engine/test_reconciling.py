"""Continuous reconciliation: what the trading server says otherwise is found, kept and shown."""

from __future__ import annotations

import asyncio
import io
import uuid
from collections.abc import Awaitable, Callable, Iterator
from decimal import Decimal
from typing import Any, Literal

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.accounts.models import TradingAccount, User
from apps.demo.main_job_setup import make_stage
from apps.engine import discovery
from apps.engine.differences import Reconciled, Row, reconciled
from apps.servers.acks import Done
from apps.servers.base import TradingServer
from apps.servers.commands import BalanceOperation, ClosePosition
from apps.servers.registry import open_server
from tenants.door import broker_schema
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread, committed, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database
EVERY_S = 0.3


@pytest.fixture(scope="module")
def watched(own_broker: Broker, simulator: str) -> Iterator[Desk]:
    """A book of four accounts that is compared three times a second."""
    slug = own_broker.slug
    with EngineThread(f"{slug}/one", slug, EVERY_S):
        stage = committed(lambda: make_stage(slug, 4, seed=5, say=lambda _: None))
        yield Desk(stage, simulator)


def login_of(desk: Desk, account_id: int) -> int:
    with broker_schema(desk.broker):
        return TradingAccount.objects.get(pk=account_id).login


def at_the_server(desk: Desk, use: Callable[[TradingServer], Awaitable[Any]]) -> Any:
    """Do something on the trading server behind the engine's back."""
    (row,) = discovery.discover(desk.broker).servers

    async def run() -> Any:
        server = open_server(row.kind, row.config)
        await server.connect()
        try:
            return await use(server)
        finally:
            await server.close()

    return asyncio.run(run())


def adjust(desk: Desk, login: int, kind: Literal["deposit", "withdrawal"], amount: Decimal) -> None:
    operation = BalanceOperation(command_id=uuid.uuid4(), login=login, kind=kind, amount=amount)
    assert isinstance(at_the_server(desk, lambda server: server.balance(operation)), Done)


def shown(desk: Desk, question: Callable[[Reconciled], bool]) -> Reconciled:
    """What is known once it is so."""

    def answer() -> Reconciled | None:
        now = reconciled(desk.broker)
        return now if question(now) else None

    found = wait_for(answer)
    assert found is not None
    return found


def status(desk: Desk) -> tuple[bool, str]:
    """Whether `manage.py status` is content, and what it says."""
    out = io.StringIO()
    try:
        call_command("status", broker=desk.broker, stdout=out)
    except CommandError as error:
        return False, out.getvalue() + str(error)
    return True, out.getvalue()


def page(desk: Desk) -> str:
    """The office's overview as its admin sees it."""
    browser = Client(headers={"host": f"{desk.broker}.localhost"})
    with broker_schema(desk.broker):
        browser.force_login(User.objects.get(email=f"admin@{desk.broker}.example"))
    return browser.get("/office/").content.decode()


def test_a_balance_changed_behind_the_book_is_kept_with_its_age_until_it_is_gone(
    watched: Desk,
) -> None:
    login = login_of(watched, watched.stage.account_ids[1])
    clean = shown(watched, lambda now: now.state == "none" and now.runs[0].accounts == 4)
    assert clean.runs[0].tickets_of == 4
    adjust(watched, login, "deposit", Decimal(12))
    (row,) = shown(watched, lambda now: now.count > 0).rows
    assert (row.login, row.kind) == (login, "balance")
    assert Decimal(row.found) - Decimal(row.expected) == 12
    later = shown(watched, lambda now: now.rows[0].age_s > row.age_s + 1)
    assert later.rows[0].first_seen_at == row.first_seen_at
    assert page(watched).count("They differ") == 1
    assert f'<span class="num">{login}</span>' in page(watched)
    content, said = status(watched)
    assert not content
    assert f"login {login}, balance: {row.found} at the server, {row.expected} here" in said
    adjust(watched, login, "withdrawal", Decimal(12))
    shown(watched, lambda now: now.state == "none")
    assert status(watched)[0]
    assert "No differences" in page(watched)


def test_trading_alone_makes_no_difference(watched: Desk) -> None:
    seen: list[Row] = []
    for _ in range(6):
        block_id = watched.place("4.00")
        watched.wait_state(block_id, "open")
        seen += reconciled(watched.broker).rows
        watched.close(block_id)
        watched.wait_state(block_id, "closed")
        seen += reconciled(watched.broker).rows
    assert seen == []


def test_a_ticket_closed_behind_the_book_is_found(watched: Desk) -> None:
    """The last test here: the book differs from its server from now on."""
    block_id = watched.place("4.00")
    watched.wait_state(block_id, "open")
    ((ticket_id, account_id, steps),) = watched.sql(
        "SELECT id, account_id, open_steps FROM {ticket} WHERE block_id = %s ORDER BY id LIMIT 1",
        block_id,
    )
    close = ClosePosition(
        command_id=uuid.uuid4(), login=login_of(watched, account_id), position_id=ticket_id
    )
    assert isinstance(at_the_server(watched, lambda s: s.close_position(close)), Done)
    found = shown(watched, lambda now: any(row.kind == "ticket" for row in now.rows))
    (row,) = [row for row in found.rows if row.kind == "ticket"]
    assert (row.ticket_id, row.found) == (ticket_id, "–")
    assert row.expected.startswith(f"buy {steps} steps EURUSD at ")
