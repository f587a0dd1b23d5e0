"""The office's documents: issuer, search, tables, the month's zip, mail that came back."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from hashlib import sha256
from xml.etree import ElementTree

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.billing.models import Delivery, Document, FeeRun, LegalEntity
from apps.billing.services.documents import pdf_of
from apps.billing.services.messages import message_for
from apps.billing.services.run_documents import issue_run_documents
from apps.portals.csv_cells import is_number, xlsx_response
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle
from tests.factories import master, person

ISSUER = {
    "name": "Acme Holdings", "address": "1 Street", "registration_no": "R-1", "tax": "included",
    "tax_name": "VAT", "tax_id": "1001", "tax_percent": "5", "exemption_text": "",
    "issues_invoices": "on",
}  # fmt: skip


@pytest.fixture
def at_acme(client_at: Callable[[str], Client], in_acme: Broker) -> Callable[[User], Client]:
    def make(user: User) -> Client:
        client = client_at("acme")
        client.force_login(user)
        return client

    return make


@pytest.fixture
def run(in_acme: Broker) -> FeeRun:
    """One investor and one manager; the statement, its remittance and its invoice are issued."""
    LegalEntity.objects.create(name="Acme Ltd", issues_invoices=True)
    history = History(1_000_000, to=master(person("manager")))
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    settle("2026-10")
    run = FeeRun.objects.get()
    issue_run_documents(run, in_acme)
    return run


def cells(body: bytes) -> tuple[list[list[str]], int]:
    """(texts and numbers of the first sheet by row, how many cells are formulas)."""
    space = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}
    with zipfile.ZipFile(io.BytesIO(body)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    rows = [
        ["".join(cell.itertext()) for cell in row.findall("m:c", space)]
        for row in sheet.iterfind(".//m:row", space)
    ]
    return rows, len(sheet.findall(".//m:f", space))


def test_an_admin_sets_the_issuer_and_it_is_audited(at_acme: Callable[[User], Client]) -> None:
    answer = at_acme(person("admin")).post("/office/documents/issuer", ISSUER)
    assert answer.status_code == 302
    entity = LegalEntity.objects.get()
    assert (entity.name, str(entity.tax_rate)) == ("Acme Holdings", "0.05000")
    assert AuditEntry.objects.filter(action="legal_entity.set").count() == 1
    page = at_acme(person("admin")).get("/office/documents/issuer").content.decode()
    assert 'value="5"' in page


def test_an_issuer_that_makes_no_tax_invoice_is_told_why(at_acme: Callable[[User], Client]) -> None:
    answer = at_acme(person("admin")).post("/office/documents/issuer", {**ISSUER, "tax_id": ""})
    assert answer.status_code == 400
    assert "tax_id_missing" in answer.content.decode()


@pytest.mark.parametrize("role", ["finance", "manager", "investor"])
def test_only_an_admin_sets_the_issuer(at_acme: Callable[[User], Client], role: str) -> None:
    assert at_acme(person(role)).post("/office/documents/issuer", ISSUER).status_code == 403


def test_documents_are_found_by_kind_and_by_the_number_they_reverse(
    at_acme: Callable[[User], Client], run: FeeRun
) -> None:
    client = at_acme(person("finance"))
    page = client.get("/office/documents/", {"kind": "remittance"}).content.decode()
    assert "RM-" in page
    assert "IN-" not in page
    assert "FS-" not in page
    everything = client.get("/office/documents/", {"q": "2026-10"}).content.decode()
    assert all(series in everything for series in ("RM-", "IN-", "FS-"))


def test_the_months_zip_holds_every_document_its_data_and_an_index(
    at_acme: Callable[[User], Client], run: FeeRun
) -> None:
    answer = at_acme(person("finance")).get("/office/documents/period.zip", {"period": "2026-10"})
    assert answer.streaming
    body = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
    documents = list(Document.objects.order_by("series"))
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        for document in documents:
            assert archive.read(f"{document.reference}.pdf") == pdf_of(document)
            data = archive.read(f"data/{document.reference}.json")
            assert sha256(data).hexdigest() == document.data_sha256
        index = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode("utf-8-sig"))))
    assert [row["number"] for row in index] == [document.reference for document in documents]
    assert {row["note"] for row in index} == {""}


def test_a_month_that_is_none_gives_no_zip(at_acme: Callable[[User], Client]) -> None:
    answer = at_acme(person("finance")).get("/office/documents/period.zip", {"period": "../x"})
    assert answer.status_code == 302


@pytest.mark.parametrize("url", ["documents/list.csv", "ledger/USD/balances.csv"])
def test_each_table_is_a_workbook_too(
    at_acme: Callable[[User], Client], run: FeeRun, url: str
) -> None:
    client = at_acme(person("finance"))
    plain = client.get(f"/office/{url}").content.decode("utf-8-sig")
    body = b"".join(client.get(f"/office/{url}", {"as": "xlsx"}).streaming_content)  # type: ignore[attr-defined]
    rows, formulas = cells(body)
    assert formulas == 0
    assert len(rows) == len(list(csv.reader(io.StringIO(plain)))) > 1


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1-1", "@SUM(A1)", '=HYPERLINK("http://x")', "\t=1", "{=1}", "007"]
)
def test_no_cell_of_a_workbook_is_a_formula(text: str) -> None:
    body = b"".join(xlsx_response("x", ["name"], [[text, "12.50"]]).streaming_content)  # type: ignore[attr-defined]
    rows, formulas = cells(body)
    assert formulas == 0
    assert rows[1][0] == text
    assert float(rows[1][1]) == 12.5


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("12.50", True), ("-3", True), ("0.01", True), ("0", True), ("123456789012345", True),
        ("1234567890123456", False), ("007", False), ("1e5", False), ("", False), ("+1", False),
    ],
)  # fmt: skip
def test_what_a_workbook_cannot_hold_exactly_stays_text(cell: str, number: bool) -> None:
    assert is_number(cell) is number


def report(delivery: Delivery, message_id: str) -> bytes:
    """A delivery report as a mail server writes it (RFC 3464)."""
    return (
        "From: MAILER-DAEMON@mx.example\r\nTo: no-reply@acme.example\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; {delivery.to}\r\nAction: failed\r\nStatus: 5.1.1\r\n"
        "Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\nMessage-ID: {message_id}\r\n"
        "Subject: x\r\n\r\n.\r\n"
        "--b--\r\n"
    ).encode()


class Stdin:
    """Standard input as the command reads it."""

    def __init__(self, body: bytes) -> None:
        self.buffer = io.BytesIO(body)


def test_a_bounce_is_recorded_shown_and_can_be_sent_again(
    at_acme: Callable[[User], Client], run: FeeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivery = Delivery.objects.exclude(document=None)[0]
    Delivery.objects.filter(pk=delivery.pk).update(state="sent", sent_at=timezone.now())
    message_id = message_for(delivery).extra_headers["Message-ID"]
    monkeypatch.setattr("sys.stdin", Stdin(report(delivery, message_id)))
    call_command("record_bounce", broker="acme")
    delivery.refresh_from_db()
    assert (delivery.state, delivery.reason) == ("bounced", "smtp; 550 5.1.1 no such user")
    client = at_acme(person("finance"))
    page = client.get("/office/documents/mail").content.decode()
    assert delivery.to in page
    assert "550 5.1.1 no such user" in page
    client.post(f"/office/documents/mail/{delivery.pk}/again")
    delivery.refresh_from_db()
    assert delivery.state == "queued"


@pytest.mark.parametrize(
    "message_id", ["<nobody@acme.example>", "<00000000-0000-0000-0000-000000000000@acme.example>"]
)
def test_a_report_of_a_message_that_is_not_ours_changes_nothing(
    run: FeeRun, monkeypatch: pytest.MonkeyPatch, message_id: str
) -> None:
    Delivery.objects.update(state="sent")
    monkeypatch.setattr("sys.stdin", Stdin(report(Delivery.objects.all()[0], message_id)))
    with pytest.raises(CommandError, match="unknown_message"):
        call_command("record_bounce", broker="acme")
    assert set(Delivery.objects.values_list("state", flat=True)) == {"sent"}


def test_a_manager_reads_remittances_and_nobody_elses(
    at_acme: Callable[[User], Client], run: FeeRun
) -> None:
    remittance = Document.objects.get(kind="remittance")
    client, stranger = at_acme(remittance.owner), at_acme(person("manager"))
    assert remittance.reference in client.get("/desk/documents/").content.decode()
    assert client.get(f"/desk/documents/{remittance.public_id}.pdf").content[:5] == b"%PDF-"
    assert remittance.reference not in stranger.get("/desk/documents/").content.decode()
    assert stranger.get(f"/desk/documents/{remittance.public_id}.pdf").status_code == 404


def test_an_investor_sees_the_invoice_and_chooses_the_language(
    at_acme: Callable[[User], Client], run: FeeRun
) -> None:
    invoice = Document.objects.get(kind="invoice")
    client = at_acme(invoice.owner)
    assert invoice.reference in client.get("/portal/fees/").content.decode()
    answer = client.post("/documents/language", {"language": "ar", "next": "/portal/fees/"})
    assert answer["Location"] == "/portal/fees/"
    invoice.owner.refresh_from_db()
    assert invoice.owner.language == "ar"
    client.post("/documents/language", {"language": "xx"})
    invoice.owner.refresh_from_db()
    assert invoice.owner.language == "ar"
