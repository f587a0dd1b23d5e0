"""An investor with a history, at acme; pages are asked through the host's own middleware."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal

import pytest
from django.test import Client

from apps.accounts.models import User
from apps.allocation.models import Ticket
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.history import History, plan, utc
from tests.factories import symbol

LogIn = Callable[[str, User], Client]


@pytest.fixture
def log_in(client_at: Callable[[str], Client]) -> LogIn:
    def make(slug: str, user: User) -> Client:
        client = client_at(slug)
        with broker_schema(slug):
            client.force_login(user)
        return client

    return make


@pytest.fixture
def history(in_acme: Broker) -> History:
    """USD 10,500.00: a closed GBPUSD ticket of +500.00 and an open EURUSD of 0.35 lots."""
    made = History(1_000_000)
    plan(made.master)
    symbol(made.link.account.server, "EURUSD")
    symbol(made.link.account.server, "GBPUSD")
    made.realise("2026-10-10 12:00", 50_000)
    ticket(made, 901, "GBPUSD", closed="2026-10-10 12:00", realised=50_000)
    ticket(made, 902, "EURUSD", steps=35)
    return made


@pytest.fixture
def page(log_in: LogIn, history: History) -> Client:
    """The investor's own browser."""
    return log_in("acme", history.investor)


def ticket(
    of: History,
    number: int,
    name: str,
    *,
    steps: int = 20,
    closed: str = "",
    realised: int = 0,
) -> Ticket:
    return Ticket.objects.create(
        id=number * 1000 + of.account_id % 1000,
        block_id=uuid.uuid4(),
        account_id=of.account_id,
        symbol=name,
        side=1,
        steps=steps,
        open_steps=0 if closed else steps,
        volume_step=Decimal("0.01"),
        open_price=Decimal("1.08542"),
        close_price=Decimal("1.09") if closed else None,
        realised_minor=realised,
        opened_at=utc("2026-10-09 12:00"),
        closed_at=utc(closed) if closed else None,
        seq=number,
    )
