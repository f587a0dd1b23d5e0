"""The office's servers: their state, symbol maps, execution modes; one broken row stops nobody."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import msgspec
import pytest
import redis
from django.conf import settings
from django.test import Client

from apps.accounts.models import AuditEntry, Master, SymbolMap, TradingServer, User
from apps.core.book.commands import SetExecution
from apps.engine import channels, discovery
from apps.engine.messages import Failure
from tests.api.fake_engine import FakeEngine
from tests.factories import master, person, server
from tests.portals_broker.test_office import admin, office

At = Callable[[str], Client]
__all__ = ["admin", "office"]


@pytest.fixture
def book(admin: User) -> Master:
    on = server("home")
    on.set_secret("a-token-of-the-server")
    on.save()
    return master(person("manager"), on=on)


def test_a_map_is_made_replaced_and_audited(office: Client, book: Master) -> None:
    other = server("elsewhere")
    wanted = {
        "source": book.account.server_id,
        "target": other.pk,
        "target_suffix": ".pro",
        "names": "XAUUSD GOLD\n\nUSDJPY YEN",
    }
    assert office.post("/office/servers/", wanted).status_code == 302
    office.post("/office/servers/", {**wanted, "names": "XAUUSD GOLD"})
    row = SymbolMap.objects.get()
    assert (row.target_suffix, row.names) == (".pro", {"XAUUSD": "GOLD"})
    assert AuditEntry.objects.filter(action="server.map").count() == 2
    shown = office.get("/office/servers/").content.decode()
    assert "XAUUSD → GOLD" in shown
    assert ".pro" in shown


@pytest.mark.parametrize(
    ("over", "message"),
    [({"names": "XAUUSD"}, "two names"), ({"target": ""}, "required"), ({"same": 1}, "another")],
)
def test_a_bad_map_is_said_and_not_kept(
    office: Client, book: Master, over: dict[str, object], message: str
) -> None:
    other = book.account.server if "same" in over else server("elsewhere")
    wanted = {"source": book.account.server_id, "target": other.pk, "names": "", **over}
    answer = office.post("/office/servers/", wanted)
    assert answer.status_code == 400
    assert message in answer.content.decode()
    assert not SymbolMap.objects.exists()


def test_the_execution_of_a_master_is_the_books_decision(office: Client, book: Master) -> None:
    path = f"/office/servers/{book.public_id}/execution"
    with FakeEngine("acme", book.public_id) as engine:
        sent = {"command_id": uuid.uuid4(), "mode": "mirror"}
        assert office.post(path, sent).status_code == 302
        (command,) = engine.commands
        assert isinstance(command, SetExecution)
        assert command.mode == "mirror"
        engine.refuse = Failure(
            kind="RejectedError", code="block_allocation_unsupported", message="It cannot."
        )
        answer = office.post(path, {"command_id": uuid.uuid4(), "mode": "block"})
    assert answer.status_code == 400
    assert "block_allocation_unsupported" in answer.content.decode()
    assert AuditEntry.objects.filter(action="master.execution").count() == 1


def test_a_secret_that_cannot_be_read_stops_no_other_server_and_is_shown(
    office: Client, book: Master
) -> None:
    broken = server("broken")
    broken.sealed_secret = b"sealed under another key"
    broken.save()
    lost = master(person("manager"), "Lost", on=broken)
    found = discovery.discover("acme")
    assert [row.name for row in found.servers] == ["home"]
    assert found.broken == {broken.pk: "secret_unreadable"}
    assert {row.book_id for row in found.books} == {book.public_id, lost.public_id}
    shown = office.get("/office/servers/").content.decode()
    assert "secret_unreadable" in shown
    assert "Cannot be connected to" in shown


def test_the_page_says_what_the_engine_says(office: Client, book: Master) -> None:
    store = redis.Redis.from_url(settings.REDIS_URL)
    home: TradingServer = book.account.server
    assert "No engine tells" in office.get("/office/servers/").content.decode()
    told = {"servers": {str(home.pk): "away"}}
    store.set(channels.status("acme"), msgspec.json.encode(told), ex=5)
    try:
        assert "Away: orders there wait" in office.get("/office/servers/").content.decode()
    finally:
        store.delete(channels.status("acme"))
