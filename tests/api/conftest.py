"""The world most API tests call into."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from apps.accounts.api_keys import create_key
from tenants.models import Broker
from tests.api.calling import At, Caller
from tests.api.fake_engine import FakeEngine
from tests.factories import link, master, person, symbol


@pytest.fixture
def world(in_acme: Broker, client_at: At) -> Iterator[Any]:
    """A manager with a book of three accounts, a key that may trade, an engine that answers."""
    manager = person("manager")
    book = master(manager)
    symbol(book.account.server)
    links = [link(book, person("investor")) for _ in range(3)]
    _, text = create_key(manager, manager, "test", ["read", "trade"])
    with FakeEngine("acme", book.public_id) as engine:
        engine.account_ids = [one.account_id for one in links]
        yield SimpleNamespace(
            manager=manager,
            book=book,
            links=links,
            engine=engine,
            api=Caller(client_at("acme"), text),
            at=client_at,
            blocks=f"books/{book.public_id}/blocks",
        )
