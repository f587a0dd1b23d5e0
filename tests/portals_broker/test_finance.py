"""Finance's pages: what they show is what was charged and what the ledger holds."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from celery import current_app
from django.test import Client
from django.urls import reverse

from apps.accounts.models import AuditEntry, User
from apps.billing.models import Delivery, Document, FeeCharge, FeePlan, FeeRun, LedgerAccount
from apps.billing.periods import Period
from apps.billing.selectors.finance import run_totals
from apps.billing.selectors.ledger import currencies, total_of, trial_balance
from apps.billing.services.ledger import fee_collected, post
from apps.billing.services.runs import run_fees
from apps.billing.tasks import run_fees_task
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.factories import master, person

At = Callable[[str], Client]
Sent = list[tuple[str, dict[str, Any], dict[str, Any]]]
LATER = datetime(2027, 12, 1, tzinfo=UTC)
KEY = "2026-10"
PERIOD = Period(KEY, datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))


@pytest.fixture
def clerk(in_acme: Broker) -> User:
    return person("finance", email="clerk@acme.example")


@pytest.fixture
def office(clerk: User, client_at: At) -> Client:
    made = client_at("acme")
    made.force_login(clerk)
    return made


@pytest.fixture
def histories(in_acme: Broker) -> list[History]:
    """Three accounts that gained in October 2026: two in USD, one in yen."""
    book = master(person("manager"))
    plan(book)
    made = []
    for currency, gain in (("USD", 12_345), ("USD", 0), ("JPY", 9_999)):
        one = History(1_000_000, to=book, currency=currency)
        one.realise("2026-10-10 12:00", gain or -500)
        made.append(one)
    return made


@pytest.fixture
def run(histories: list[History]) -> FeeRun:
    run_fees(PERIOD, now=LATER)
    return FeeRun.objects.get()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """What was put on the queue: (task, kwargs, headers)."""
    seen: Sent = []

    def send_task(name: str, **options: Any) -> None:
        seen.append((name, options["kwargs"], options["headers"]))

    monkeypatch.setattr(current_app, "send_task", send_task)
    return seen


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response["Content-Type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"))))


def text_of(response: Any) -> str:
    """The page's words, without tags."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


def test_the_dry_run_shows_what_posting_then_charges_and_writes_nothing(
    office: Client, histories: list[History]
) -> None:
    page = office.get("/office/fees/preview", {"period": KEY})
    assert not FeeRun.objects.exists()
    shown = text_of(page)
    assert "Total USD, 2 charges 24.69 USD 19.75 USD 4.94 USD" in shown
    assert "Total JPY, 1 charges 2,000 JPY 1,600 JPY 400 JPY" in shown
    run_fees(PERIOD, now=LATER)
    posted = text_of(office.get(reverse("broker:fee_run", args=[FeeRun.objects.get().public_id])))
    assert "USD 2 24.69 USD 19.75 USD 0.00 USD 4.94 USD 0.00 USD 24.69 USD 24.69 USD" in posted
    again = text_of(office.get("/office/fees/preview", {"period": KEY}))
    assert "Everything of this period is charged" in again


def test_a_double_click_makes_one_run_and_the_worker_charges_each_link_once(
    office: Client,
    clerk: User,
    sent: Sent,
    django_capture_on_commit_callbacks: Any,
) -> None:
    history = History(1_000_000, joined="2024-01-02 00:00")
    plan(history.master)
    history.realise("2024-01-10 12:00", 50_000)
    period = "2024-01"
    with django_capture_on_commit_callbacks(execute=True):
        answers = [office.post("/office/fees/post", {"period": period}) for _ in range(2)]
    run = FeeRun.objects.get()
    path = reverse("broker:fee_run", args=[run.public_id])
    assert [answer["Location"] for answer in answers] == [path, path]
    wanted = {"period": period, "actor_id": clerk.pk}
    assert sent == [("billing.run_fees", wanted, {"_schema_name": "acme"})]
    json.dumps(sent)
    entry = AuditEntry.objects.get(action="fees.request")
    assert (entry.actor, entry.request_id) == (clerk, answers[0]["X-Request-Id"])
    assert "waits for the worker" in text_of(office.get(path))
    for _ in range(2):
        run_fees_task(period, clerk.pk)
    assert FeeCharge.objects.get().amount_minor == 10_000
    assert AuditEntry.objects.get(action="fees.post").actor == clerk
    assert "every 2s" not in office.get(path).content.decode()


@pytest.mark.parametrize("period", ["2099-01", "2026-13", "", "x"])
def test_what_is_no_ended_month_is_refused_with_its_code(
    office: Client, histories: list[History], period: str
) -> None:
    answer = office.post("/office/fees/post", {"period": period}, follow=True)
    assert re.search(r"\[period_(running|invalid)\]", text_of(answer))
    assert not FeeRun.objects.exists()


def test_totals_agree_with_the_ledger_and_a_difference_is_seen(
    office: Client, run: FeeRun, histories: list[History]
) -> None:
    charge = FeeCharge.objects.get(currency="JPY")
    attempt = charge.collections.create(
        number=1, command_id=charge.public_id, amount_minor=500, state="collected"
    )
    FeeCharge.objects.filter(pk=charge.pk).update(collected_minor=500)
    path = reverse("broker:fee_run", args=[run.public_id])
    assert [(one.currency, one.agrees) for one in run_totals(run)] == [
        ("JPY", False),
        ("USD", True),
    ]
    assert "differs" in text_of(office.get(path))
    key = f"collection:{attempt.command_id}"
    post([fee_collected(key, LATER, charge.link.account_id, "JPY", 500)])
    assert all(one.agrees for one in run_totals(run))
    assert "differs" not in text_of(office.get(path))


def test_the_trial_balance_adds_up_and_each_accounts_lines_do_too(
    office: Client, run: FeeRun
) -> None:
    assert currencies() == ["JPY", "USD"]
    for currency in currencies():
        rows = list(trial_balance(currency))
        total = total_of(currency)
        assert total.balance_minor == 0 < total.debit_minor
        assert sum(row.debit_minor for row in rows) == total.debit_minor  # type: ignore[attr-defined]
        assert "balanced" in text_of(office.get("/office/ledger/", {"currency": currency}))
    for account in LedgerAccount.objects.all():
        args = [account.currency, account.code]
        page = office.get(reverse("broker:ledger_account", args=args))
        assert page.status_code == 200
        lines = rows_of(office.get(reverse("broker:ledger_lines_csv", args=args)))
        balances = rows_of(office.get(reverse("broker:balances_csv", args=[account.currency])))
        mine = next(row for row in balances if row["account"] == account.code)
        assert lines[0]["balance"] == mine["balance"]
        assert balances[-1]["balance"] in ("0", "0.00")


def test_the_csv_of_a_run_holds_every_charge_and_no_formula(
    office: Client, histories: list[History]
) -> None:
    User.objects.filter(pk=histories[0].investor.pk).update(full_name='=HYPERLINK("//x")')
    run_fees(PERIOD, now=LATER)
    answer = office.get(reverse("broker:fee_run_csv", args=[FeeRun.objects.get().public_id]))
    rows = rows_of(answer)
    assert len(rows) == len(histories)
    mine = next(row for row in rows if row["account"] == str(histories[0].link.account.login))
    assert mine["investor"] == '\'=HYPERLINK("//x")'
    assert (mine["opening_equity"], mine["equity_before_fee"]) == ("10000.00", "10123.45")
    assert (mine["fee"], mine["manager_share"], mine["broker_share"]) == ("24.69", "19.75", "4.94")
    assert (mine["mark_before"], mine["mark_after"]) == ("10000.00", "10098.76")
    yen = next(row for row in rows if row["currency"] == "JPY")
    assert (yen["fee"], yen["opening_equity"]) == ("2000", "1000000")


def test_documents_are_found_and_their_files_open(
    office: Client, run: FeeRun, histories: list[History]
) -> None:
    document = Document.objects.get(owner=histories[0].investor)
    for search in (document.reference, histories[0].investor.email, document.reference.lower()):
        rows = rows_of(office.get("/office/documents/list.csv", {"q": search}))
        assert [row["number"] for row in rows] == [document.reference]
    login = str(histories[0].link.account.login)
    assert login in text_of(office.get("/office/documents/", {"q": login}))
    assert "Nothing found" in text_of(office.get("/office/documents/", {"q": "nobody"}))
    pdf = office.get(reverse("broker:document_pdf", args=[document.public_id]))
    assert pdf.content.startswith(b"%PDF")


def test_failed_mail_is_shown_with_its_reason_and_sent_again(
    office: Client, run: FeeRun, histories: list[History]
) -> None:
    document = Document.objects.get(owner=histories[0].investor)
    reason = "550 no such mailbox"
    document.deliveries.update(state=Delivery.State.FAILED, attempts=6, reason=reason)
    path = reverse("broker:fee_run", args=[run.public_id])
    assert reason in text_of(office.get(path))
    again = reverse("broker:mail_again", args=[document.public_id])
    assert office.post(again, {"next": path})["Location"] == path
    delivery = document.deliveries.get()
    assert (delivery.state, delivery.attempts) == ("queued", 0)
    office.post(again, {"next": "https://evil.example/"})
    assert AuditEntry.objects.filter(action="delivery.requeue").count() == 1


def test_a_plan_is_proposed_by_one_person_and_approved_by_another(
    office: Client, run: FeeRun, histories: list[History], client_at: At
) -> None:
    path = reverse("broker:plans", args=[histories[0].master.public_id])
    values = {
        "rate": "25", "manager_share": "60", "hwm_basis": "net", "ib_levels": "10, 5",
        "tiers": "100000: 20", "management": "2", "effective_from": "2030-01-01",
    }  # fmt: skip
    early = office.post(path, {**values, "effective_from": "2026-10-15"})
    assert (early.status_code, "period_settled" in text_of(early)) == (400, True)
    assert office.post(path, {**values, "rate": "101"}).status_code == 400
    assert "fee_split_invalid" in text_of(office.post(path, {**values, "ib_levels": "30, 20"}))
    proposed = office.post(path, values)
    assert proposed.status_code == 302
    decide = proposed["Location"] + "decide"
    shown = text_of(office.get(proposed["Location"]))
    assert "25 % of the gain above the high-water mark, monthly; 20 % from 100,000 USD on" in shown
    assert "2 % a year on equity, ACT/365, charged monthly" in shown
    own = office.post(decide, {"decision": "approve"}, follow=True)
    assert "[four_eyes]" in text_of(own)
    assert FeePlan.objects.count() == 1
    other = client_at("acme")
    other.force_login(person("admin"))
    assert "Waiting for a second person" in text_of(other.get("/office/fees/"))
    other.post(decide, {"decision": "approve"})
    new = FeePlan.objects.get(effective_from="2030-01-01")
    assert (new.rate, new.manager_share) == (Decimal("0.25"), Decimal("0.6"))
    assert new.fees.split.ib_levels == (Decimal("0.1"), Decimal("0.05"))
    twice = office.post(path, values)
    again = other.post(twice["Location"] + "decide", {"decision": "approve"}, follow=True)
    assert "[fee_plan_taken]" in text_of(again)
    assert "to come" in text_of(office.get(path))


def test_what_belongs_to_another_broker_is_not_there(
    run: FeeRun, office: Client, globex: Broker, client_at: At
) -> None:
    document = Document.objects.first()
    assert document is not None
    book = FeeCharge.objects.first().link.master  # type: ignore[union-attr]
    with broker_schema("globex"):
        stranger = client_at("globex")
        stranger.force_login(person("finance", "admin"))
    gets = [
        reverse("broker:fee_run", args=[run.public_id]),
        reverse("broker:fee_run_csv", args=[run.public_id]),
        reverse("broker:document_pdf", args=[document.public_id]),
        reverse("broker:plans", args=[book.public_id]),
        reverse("broker:ledger_account", args=["USD", "income:performance_fees"]),
    ]
    assert [office.get(path).status_code for path in gets] == [200] * len(gets)
    assert [stranger.get(path).status_code for path in gets] == [404] * len(gets)
    again = reverse("broker:mail_again", args=[document.public_id])
    assert stranger.post(again).status_code == 404


@pytest.mark.parametrize("role", ["manager", "investor"])
def test_only_finance_and_admins_open_these(
    run: FeeRun, in_acme: Broker, client_at: At, role: str
) -> None:
    other = client_at("acme")
    other.force_login(person(role))
    document = Document.objects.first()
    assert document is not None
    for path in (
        "/office/fees/",
        "/office/fees/preview",
        "/office/documents/",
        "/office/documents/list.csv",
        "/office/ledger/",
        reverse("broker:fee_run", args=[run.public_id]),
        reverse("broker:document_pdf", args=[document.public_id]),
        reverse("broker:ledger_lines_csv", args=["USD", "income:performance_fees"]),
    ):
        assert other.get(path).status_code == 403
    for path in ("/office/fees/post", reverse("broker:mail_again", args=[document.public_id])):
        assert other.post(path).status_code == 403
