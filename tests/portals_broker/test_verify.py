"""The page that says whether a printed statement was issued."""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.test import Client
from pypdf import PdfReader

from apps.billing.models import Document
from apps.billing.periods import Period
from apps.billing.services.documents import pdf_of
from apps.billing.services.runs import run_fees
from tenants.models import Broker
from tests.billing.history import History, plan

At = Callable[[str], Client]
LATER = datetime(2027, 12, 1, tzinfo=UTC)


@pytest.fixture
def document(in_acme: Broker) -> Document:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    start, end = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    run_fees(Period("2026-10", start, end), now=LATER)
    return Document.objects.select_related("owner").get()


def ask(client: Client, number: str, digest: str, address: str) -> tuple[int, str]:
    answer = client.get(f"/verify/{number}", {"digest": digest}, REMOTE_ADDR=address)
    return answer.status_code, answer.content.decode()


def test_the_printed_link_says_issued_and_nothing_about_the_person(
    document: Document, client_at: At
) -> None:
    text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf_of(document))).pages)
    link = f"/verify/{document.reference}?digest={document.data_sha256}"
    assert link in "".join(text.split())
    answer = client_at("acme").get(link, REMOTE_ADDR="192.0.2.1")
    page = answer.content.decode()
    assert (answer.status_code, "Issued by us" in page) == (200, True)
    assert document.owner.email not in page
    assert document.data["account"] not in page
    assert "no-store" in answer["Cache-Control"]


def test_a_wrong_number_and_a_wrong_digest_are_told_alike(
    document: Document, client_at: At
) -> None:
    client, digest = client_at("acme"), document.data_sha256
    wrong = [
        ask(client, document.reference, "0" * 64, "192.0.2.2"),
        ask(client, "FS-2027-000999", digest, "192.0.2.2"),
        ask(client, document.reference, "", "192.0.2.2"),
        ask(client, "nonsense", digest, "192.0.2.2"),
        ask(client, document.reference, "é", "192.0.2.2"),
    ]
    assert {(status, "Not issued by us" in page) for status, page in wrong} == {(404, True)}


def test_another_brokers_document_is_not_ours(
    document: Document, globex: Broker, client_at: At
) -> None:
    other = client_at("globex")
    assert ask(other, document.reference, document.data_sha256, "192.0.2.3")[0] == 404


def test_guessing_is_slowed_down(document: Document, client_at: At) -> None:
    client = client_at("acme")
    address = ".".join(["198", "18", *(str(secrets.randbelow(256)) for _ in range(2))])
    answers = [ask(client, document.reference, "0" * 64, address)[0] for _ in range(31)]
    assert answers == [404] * 30 + [429]
