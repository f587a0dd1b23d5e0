"""Each page by each role; another's book, and another broker's, do not exist."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from django.test import Client

from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import master, person
from tests.portals_manager.conftest import Book, order

As = Callable[[str], Client]
READS = ["", "blocks?view=open", "blocks?view=journal", "accounts", "bars?symbol=EURUSD"]
WRITES = ["preview", "orders", "blocks/{block}/close", "blocks/{block}/cancel"]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize(
    ("who", "status"),
    [("manager", 200), ("admin", 200), ("investor", 403), ("finance", 403), ("other", 404)],
)
def test_who_reads_a_book(book: Book, as_user: As, who: str, status: int, path: str) -> None:
    assert as_user(who).get(book.url + path).status_code == status


@pytest.mark.parametrize("path", WRITES)
@pytest.mark.parametrize(
    ("who", "status"), [("admin", 403), ("investor", 403), ("finance", 403), ("other", 404)]
)
def test_nobody_trades_anothers_book(
    book: Book, as_user: As, who: str, status: int, path: str
) -> None:
    path = path.format(block=uuid.uuid4())
    assert as_user(who).post(book.url + path, order()).status_code == status


@pytest.mark.parametrize("path", [*READS, *WRITES])
def test_without_a_log_in_one_is_asked_for_it(
    book: Book, client_at: Callable[[str], Client], path: str
) -> None:
    path = path.format(block=uuid.uuid4())
    client = client_at("acme")
    answer = client.post(book.url + path) if path in WRITES else client.get(book.url + path)
    assert answer.status_code in (302, 405)
    if answer.status_code == 302:
        assert "login" in answer["Location"]


def test_another_brokers_book_is_absent(globex: Broker, as_user: As) -> None:
    with broker_schema("globex"):
        foreign = master(person("manager"))
    assert as_user("manager").get(f"/desk/{foreign.public_id}/").status_code == 404
    assert as_user("admin").get(f"/desk/{foreign.public_id}/").status_code == 404
    answer = as_user("manager").post(f"/desk/{foreign.public_id}/orders", order())
    assert answer.status_code == 404


def test_the_list_has_the_own_masters_only(book: Book, as_user: As) -> None:
    with broker_schema("acme"):
        master(book.users["other"], name="Theirs")
    own = as_user("manager").get("/desk/").content.decode()
    assert "Alpha" in own
    assert "Theirs" not in own
    everything = as_user("admin").get("/desk/").content.decode()
    assert "Theirs" in everything


def test_an_admin_oversees_without_a_ticket(book: Book, as_user: As) -> None:
    page = as_user("admin").get(book.url).content.decode()
    assert 'id="ticket"' not in page
    assert 'id="ticket"' in as_user("manager").get(book.url).content.decode()


def test_pages_keep_the_strict_policy(book: Book, as_user: As) -> None:
    answer = as_user("manager").get(book.url)
    page = answer.content.decode()
    assert "script-src 'self'" in answer["Content-Security-Policy"]
    assert "style=" not in page
    assert " onclick" not in page
    assert "<script>" not in page
