"""A manager's book with three sub-accounts, an engine that answers, and clients by role."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Link, Master, Role, User
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import link, master, person, server, symbol
from tests.portals_manager.fake_engine import FakeEngine


@dataclass
class Book:
    """In acme's schema, inside the test's transaction."""

    master: Master
    links: list[Link]
    users: dict[str, User]

    @property
    def url(self) -> str:
        return f"/desk/{self.master.public_id}/"


@pytest.fixture
def book(acme: Broker) -> Book:
    with broker_schema("acme"):
        on = server()
        symbol(on)
        users = {role: person(role) for role in Role.values}
        users["other"] = person("manager")
        made = master(users["manager"], on=on)
        return Book(made, [link(made, person("investor")) for _ in range(3)], users)


@pytest.fixture
def engine(book: Book) -> Iterator[FakeEngine]:
    made = FakeEngine("acme", book.master.public_id)
    for number, linked in enumerate(book.links, 1):
        made.link(linked.account.pk, linked.account.login, number * 1_000_000)
    with made:
        yield made


@pytest.fixture
def as_user(book: Book, client_at: Callable[[str], Client]) -> Callable[[str], Client]:
    """`as_user("manager")`: a client at acme's host, logged in as that person."""

    def make(who: str) -> Client:
        client = client_at("acme")
        with broker_schema("acme"):
            client.force_login(book.users[who])
        return client

    return make


@pytest.fixture
def manager(as_user: Callable[[str], Client]) -> Client:
    return as_user("manager")


def order(**changes: Any) -> dict[str, Any]:
    """A ticket as the page sends it."""
    return {
        "command_id": str(uuid.uuid4()),
        "symbol": "EURUSD",
        "side": "buy",
        "kind": "market",
        "volume_lots": "1.00",
        "price": "",
        **changes,
    }
