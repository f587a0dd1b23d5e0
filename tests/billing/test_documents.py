"""Remittances, invoices, credit notes: what they say, that they add up, that nothing changes."""

from __future__ import annotations

import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import AuditEntry, User
from apps.billing.models import Delivery, Document, FeeCharge, FeeRun, FeeShare, LegalEntity
from apps.billing.services.credit_notes import credit, mirrored
from apps.billing.services.documents import NewDocument, digest, issue, pdf_of
from apps.billing.services.issuer import legal_entity, set_legal_entity, tax_of
from apps.billing.services.run_documents import issue_missing_documents, issue_run_documents
from apps.billing.services.undo import undo_settlement
from apps.core.errors import ConflictError, InputError
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.billing.test_fee_runs import settle
from tests.billing.test_statement_pdf import text_of
from tests.factories import master, person

Kind = Document.Kind


def entity(**fields: Any) -> LegalEntity:
    return set_legal_entity(
        person("admin"), LegalEntity(**{"name": "Acme Ltd", "issues_invoices": True, **fields})
    )


@pytest.fixture
def run(in_acme: Broker) -> FeeRun:
    """Two investors of one manager, 20 %: fees 100.00 and 20.05, of which 80 % are the manager's;
    a third whose account lost."""
    boss = master(person("manager"))
    plan(boss)
    for gain in (50_000, 10_025, -5_000):
        History(1_000_000, to=boss).realise("2026-10-10 12:00", gain)
    settle("2026-10")
    return FeeRun.objects.get()


def of_kind(kind: str) -> list[Document]:
    return list(Document.objects.filter(kind=kind).order_by("number"))


def test_a_manager_gets_one_remittance_that_is_the_sum_of_the_shares(
    run: FeeRun, in_acme: Broker
) -> None:
    issue_run_documents(run, in_acme)
    (remittance,) = of_kind(Kind.REMITTANCE)
    shares = FeeShare.objects.filter(party="manager")
    assert remittance.total_minor == sum(share.amount_minor for share in shares) == 8_000 + 1_604
    assert remittance.total_minor == sum(line["amount_minor"] for line in remittance.data["lines"])
    assert remittance.owner == FeeShare.objects.exclude(user=None)[0].user
    text = text_of(pdf_of(remittance))
    for part in ("Remittance advice", "96.04 USD", "80.00 USD", "FS-2027-000001"):
        assert part in text, part


def test_no_invoice_unless_the_legal_entity_issues_them(run: FeeRun, in_acme: Broker) -> None:
    issue_run_documents(run, in_acme)
    assert of_kind(Kind.INVOICE) == []


def test_a_tax_invoice_divides_the_fee_that_was_charged(run: FeeRun, in_acme: Broker) -> None:
    entity(tax="included", tax_rate=Decimal("0.05"), tax_id="1001", registration_no="R-7")
    issue_run_documents(run, in_acme)
    first, second = of_kind(Kind.INVOICE)
    assert {first.total_minor, second.total_minor} == {10_000, 2_005}
    for invoice in (first, second):
        tax = invoice.data["tax"]
        assert tax["net_minor"] + tax["tax_minor"] == invoice.total_minor
    big = max(first, second, key=lambda one: one.total_minor)
    assert big.data["tax"]["tax_minor"] == 476  # 10,000 × 5 ÷ 105 = 476.19
    text = text_of(pdf_of(big))
    for part in ("Tax invoice", "VAT 5%", "4.76 USD", "95.24 USD", "VAT 1001", "R-7", "Acme Ltd"):
        assert part in text, part


def test_an_exemption_is_named_on_the_invoice(run: FeeRun, in_acme: Broker) -> None:
    entity(tax="exempt", exemption_text="Exempt: Art. 135(1)(f)")
    issue_run_documents(run, in_acme)
    invoice = of_kind(Kind.INVOICE)[0]
    assert invoice.data["tax"]["tax_minor"] == 0
    assert "Exempt: Art. 135(1)(f)" in text_of(pdf_of(invoice))


@pytest.mark.parametrize("total", [1, 2, 10_000, 999_999_999_999, -1, -10_000, 0])
def test_tax_and_net_add_up_for_every_total(in_acme: Broker, total: int) -> None:
    found = tax_of(LegalEntity(tax="included", tax_rate=Decimal("0.19")), total)
    mirror = tax_of(LegalEntity(tax="included", tax_rate=Decimal("0.19")), -total)
    assert found is not None
    assert mirror is not None
    assert found["net_minor"] + found["tax_minor"] == total
    assert mirror["tax_minor"] == -found["tax_minor"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"tax": "included", "tax_id": "1"}, "tax_rate_missing"),
        ({"tax": "included", "tax_rate": Decimal("0.05")}, "tax_id_missing"),
        ({"tax": "exempt"}, "exemption_text_missing"),
    ],
)
def test_settings_that_would_make_no_tax_invoice_are_refused(
    in_acme: Broker, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        entity(**fields)
    assert caught.value.code == code
    assert not LegalEntity.objects.exists()


def test_settings_are_audited_and_change_no_document(run: FeeRun, in_acme: Broker) -> None:
    entity(tax="included", tax_rate=Decimal("0.05"), tax_id="1001")
    issue_run_documents(run, in_acme)
    before = of_kind(Kind.INVOICE)[0].data
    entity(name="Acme Ltd", tax="included", tax_rate=Decimal("0.20"), tax_id="1002")
    assert of_kind(Kind.INVOICE)[0].data == before
    entry = AuditEntry.objects.filter(action="legal_entity.set").latest("id")
    assert entry.before is not None
    assert entry.after is not None
    assert (entry.before["tax_rate"], entry.after["tax_rate"]) == ("0.05000", "0.20")


def test_documents_of_a_run_are_issued_once(run: FeeRun, in_acme: Broker) -> None:
    entity()
    assert len(issue_run_documents(run, in_acme)) == 3
    assert issue_run_documents(run, in_acme) == []
    assert issue_missing_documents(in_acme) == []
    assert Counter(Document.objects.values_list("kind", flat=True)) == {
        Kind.FEE_STATEMENT: 3, Kind.REMITTANCE: 1, Kind.INVOICE: 2,
    }  # fmt: skip


def test_a_run_that_is_not_posted_has_no_documents(run: FeeRun, in_acme: Broker) -> None:
    FeeRun.objects.update(state="posting")
    assert issue_run_documents(run, in_acme) == []
    assert issue_missing_documents(in_acme) == []


def test_what_a_dead_worker_left_out_is_issued_later(run: FeeRun, in_acme: Broker) -> None:
    assert len(issue_missing_documents(in_acme)) == 1


def test_a_credit_note_mirrors_every_figure(run: FeeRun, in_acme: Broker) -> None:
    entity(tax="included", tax_rate=Decimal("0.05"), tax_id="1001")
    issue_run_documents(run, in_acme)
    invoice = max(of_kind(Kind.INVOICE), key=lambda one: one.total_minor)
    with transaction.atomic():
        note = credit(person("finance"), invoice, in_acme, "wrong plan", timezone.now())
    assert note.total_minor == -invoice.total_minor
    assert note.data["tax"]["tax_minor"] == -invoice.data["tax"]["tax_minor"]
    assert note.data["lines"][0]["amount_minor"] == -invoice.data["lines"][0]["amount_minor"]
    assert note.data["issuer"] == invoice.data["issuer"]
    assert mirrored(invoice.data)["total_minor"] + invoice.data["total_minor"] == 0
    text = text_of(pdf_of(note))
    for part in ("Credit note", invoice.reference, "−100.00 USD", "−4.76 USD", "wrong plan"):
        assert part in text, part


def test_a_document_is_reversed_once_and_a_credit_note_never(run: FeeRun, in_acme: Broker) -> None:
    statement, now = of_kind(Kind.FEE_STATEMENT)[0], timezone.now()
    with transaction.atomic():
        note = credit(None, statement, in_acme, "", now)
        with pytest.raises(ConflictError, match="before") as again:
            credit(None, statement, in_acme, "", now)
        with pytest.raises(ConflictError) as of_a_note:
            credit(None, note, in_acme, "", now)
    assert (again.value.code, of_a_note.value.code) == ("already_credited", "not_creditable")
    assert [one.number for one in of_kind(Kind.CREDIT_NOTE)] == [1]  # the refused one left no gap
    assert "Credit note" in text_of(pdf_of(note))


@pytest.mark.parametrize("change", [{"total_minor": -1}, {"currency": "EUR"}])
def test_the_database_refuses_a_credit_note_that_is_no_mirror(
    run: FeeRun, in_acme: Broker, change: dict[str, Any]
) -> None:
    statement = max(of_kind(Kind.FEE_STATEMENT), key=lambda one: one.total_minor)
    values = {"total_minor": -statement.total_minor, "currency": statement.currency, **change}
    with pytest.raises(IntegrityError, match="does not mirror"), transaction.atomic():
        Document.objects.create(
            kind=Kind.CREDIT_NOTE, mirrors=statement, owner=statement.owner, series="CN",
            legal_entity=statement.legal_entity, year=2026, number=1, data={}, data_sha256="",
            issued_at=timezone.now(), **values,
        )  # fmt: skip


def test_a_reversed_settlement_is_credited_everywhere_and_summed_up_anew(
    run: FeeRun, in_acme: Broker
) -> None:
    entity()
    issue_run_documents(run, in_acme)
    charge = FeeCharge.objects.get(amount_minor=10_000)
    notes = undo_settlement(person("finance"), run, charge.link, in_acme, "wrong plan")
    assert sorted(note.total_minor for note in notes) == [-10_000, -10_000, -9_604]
    assert {note.data["reason"] for note in notes} == {"wrong plan"}
    again = Document.objects.get(kind=Kind.REMITTANCE, credit_note=None)
    assert (again.revision, again.total_minor) == (2, 1_604)
    standing = Document.objects.exclude(kind=Kind.CREDIT_NOTE).filter(credit_note=None)
    assert not standing.filter(charge=charge).exists()
    assert not standing.filter(kind=Kind.INVOICE, owner=charge.link.account.owner).exists()
    total = sum(
        Document.objects.filter(owner=charge.link.account.owner).values_list(
            "total_minor", flat=True
        )
    )
    assert total == 0


def test_a_settlement_that_cannot_be_reversed_keeps_its_documents(
    run: FeeRun, in_acme: Broker
) -> None:
    charge = FeeCharge.objects.get(amount_minor=10_000)
    with pytest.raises(InputError):
        undo_settlement(person("finance"), run, charge.link, in_acme, " ")
    undo_settlement(person("finance"), run, charge.link, in_acme, "once")
    with pytest.raises(ConflictError):
        undo_settlement(person("finance"), run, charge.link, in_acme, "twice")
    assert len(of_kind(Kind.CREDIT_NOTE)) == 1


def test_numbers_are_without_gap_when_fifty_issue_at_once(own_broker: Broker) -> None:
    """Fifty at once, every fifth rolled back after it took its number."""
    with broker_schema(own_broker.slug):
        owner = person("investor")
    start, failures = threading.Barrier(50), []

    def one(number: int) -> None:
        try:
            with broker_schema(own_broker.slug):
                start.wait()
                with transaction.atomic():
                    _issue_one(owner)
                    if number % 5 == 0:
                        transaction.set_rollback(True)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with broker_schema(own_broker.slug):
        found = Document.objects.filter(series="RM").values_list("number", flat=True)
        assert sorted(found) == list(range(1, 41))


def _issue_one(owner: User, name: str = "Acme Ltd", year: int = 2026) -> Document:
    data: dict[str, Any] = {"currency": "USD"}
    new = NewDocument(Kind.REMITTANCE, owner, data, 0)
    return issue(LegalEntity(name=name), year, [new], timezone.now())[0]


def test_each_entity_kind_and_year_counts_for_itself(in_acme: Broker) -> None:
    owner = person("investor")
    numbers = [
        _issue_one(owner).number,
        _issue_one(owner).number,
        _issue_one(owner, name="Other Ltd").number,
        _issue_one(owner, year=2027).number,
    ]
    assert numbers == [1, 2, 1, 1]


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE billing_documentcounter SET last = last - 1",
        "UPDATE billing_documentcounter SET year = year + 1",
        "DELETE FROM billing_documentcounter",
    ],
)
def test_a_counter_never_goes_back(in_acme: Broker, sql: str) -> None:
    _issue_one(person("investor"))
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(sql)


def test_every_document_is_queued_to_its_owner_and_finance_gets_the_summary(
    run: FeeRun, in_acme: Broker
) -> None:
    finance = person("finance")
    issue_run_documents(run, in_acme)
    for document in Document.objects.all():
        assert document.deliveries.get().to == document.owner.email
        assert digest(document.data) == document.data_sha256
    summaries = Delivery.objects.filter(run=run)
    assert {one.to for one in summaries} == {finance.email}


def test_who_has_no_finance_staff_sends_the_summary_to_the_admins(
    run: FeeRun, in_acme: Broker
) -> None:
    issue_run_documents(run, in_acme)
    assert {one.to for one in Delivery.objects.filter(run=run)} == {"admin@acme.example"}


def test_the_legal_entity_is_the_brokers_name_until_it_is_set(in_acme: Broker) -> None:
    assert legal_entity(in_acme.legal_name).name == in_acme.legal_name
    entity(name="Acme Holdings")
    assert legal_entity(in_acme.legal_name).name == "Acme Holdings"
