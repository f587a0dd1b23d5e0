"""Contracts by hand: the state table, deadlines, what each state forbids, usage, staff's pages."""

from __future__ import annotations

import io
import itertools
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client, override_settings

from apps.accounts.models import Link
from apps.allocation.models import AccountState
from apps.billing.selectors.usage import usage_now
from apps.core.book.commands import CloseBlock, PlaceBlock, ReverseBlock
from apps.core.errors import ForbiddenError
from apps.engine import client as engine
from apps.engine.links import join
from config.tasks import keep_revenue
from tenants.door import broker_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tenants.revenue.contracts import NewInvoice, advance, extend, mark_paid, start_trial
from tenants.revenue.models import Plan, PlatformInvoice, RevenueAudit, Subscription, UsageDay
from tenants.revenue.staff import COOKIE, set_password
from tenants.revenue.states import BROKER_STATUS, SUBSCRIPTION, step
from tenants.revenue.usage import Usage, record
from tenants.standing import Capability, refusal
from tests.billing.engine_stub import done
from tests.billing.engine_stub import engine as book_engine
from tests.billing.history import History
from tests.conftest import temporary_broker
from tests.factories import account, master, person

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
STATES = Subscription.State.values
EVENTS = ("paid", "unpaid", "cancelled", "time", "extended")


def contract(broker: Broker, state: str = "trial", until: datetime | None = None) -> Subscription:
    made: Subscription = Subscription.objects.create(
        broker=broker, state=state, since=NOW, until=until
    )
    Broker.objects.filter(pk=broker.pk).update(status=BROKER_STATUS[state])
    return made


def status_of(broker: Broker) -> str:
    return str(Broker.objects.get(pk=broker.pk).status)


def test_the_table_knows_every_event_in_every_state_but_time_of_the_suspended() -> None:
    missing = [pair for pair in itertools.product(STATES, EVENTS) if pair not in SUBSCRIPTION]
    assert missing == [("suspended", "time")]
    assert set(SUBSCRIPTION.values()) <= set(STATES) == set(BROKER_STATUS)


@pytest.mark.parametrize("state", STATES)
def test_a_payment_makes_every_contract_active(state: str) -> None:
    assert step(state, "paid") == "active"


def test_an_unknown_event_raises() -> None:
    with pytest.raises(TenantError, match="not possible"):
        step("trial", "party")


def test_an_unpaid_trial_goes_through_grace_and_read_only_to_suspended(acme: Broker) -> None:
    start_trial(acme, 14, "staff@x.example", now=NOW)
    seen, now = [], NOW
    for _ in range(40):
        now += DAY
        advance(now)
        seen.append((Subscription.objects.get().state, status_of(acme)))
    days = [(key, len(list(group))) for key, group in itertools.groupby(seen)]
    assert days == [
        (("trial", "sandbox"), 13), (("grace", "live"), 7), (("read_only", "read_only"), 14),
        (("suspended", "suspended"), 6),
    ]  # fmt: skip
    actions = RevenueAudit.objects.order_by("pk").values_list("actor", "after__state")
    assert list(actions) == [
        ("staff@x.example", "trial"), ("time", "grace"), ("time", "read_only"),
        ("time", "suspended"),
    ]  # fmt: skip


def test_nobody_is_suspended_because_a_worker_slept(acme: Broker) -> None:
    contract(acme, "trial", NOW)
    advance(NOW + 100 * DAY)
    row = Subscription.objects.get()
    assert row.state == "grace"
    assert row.until == NOW + 107 * DAY


def test_a_contract_without_a_deadline_stays(acme: Broker) -> None:
    contract(acme, "trial", None)
    assert advance(NOW + 1000 * DAY) == 0


@pytest.mark.parametrize("state", ["trial", "grace", "read_only", "suspended"])
def test_paid_by_hand_works_from_every_state_and_leaves_an_invoice(
    acme: Broker, state: str
) -> None:
    contract(acme, state, NOW)
    plan = Plan.objects.create(code="pro", name="Pro", month_minor=99_000)
    until = NOW + 31 * DAY
    invoice = NewInvoice("P-1", "USD", 99_000)
    mark_paid(acme, until, "s@x.example", plan=plan, invoice=invoice, now=NOW)
    row = Subscription.objects.get()
    assert (row.state, row.until, row.plan, status_of(acme)) == ("active", until, plan, "live")
    assert PlatformInvoice.objects.get().state == "paid"
    advance(until)
    assert Subscription.objects.get().state == "grace"


def test_an_invoice_number_is_used_once_and_nothing_else_happens(acme: Broker) -> None:
    contract(acme, "grace", NOW)
    invoice = NewInvoice("P-1", "USD", 1)
    mark_paid(acme, NOW + DAY, "s", invoice=invoice, now=NOW)
    with pytest.raises(TenantError) as caught:
        mark_paid(acme, NOW + 9 * DAY, "s", invoice=invoice, now=NOW)
    assert caught.value.code == "invoice_taken"
    assert Subscription.objects.get().until == NOW + DAY


def test_more_time_lifts_a_suspension_until_its_end(acme: Broker) -> None:
    contract(acme, "suspended")
    extend(acme, NOW + 3 * DAY, "s@x.example", now=NOW)
    assert (Subscription.objects.get().state, status_of(acme)) == ("grace", "live")
    advance(NOW + 3 * DAY)
    assert Subscription.objects.get().state == "read_only"


def test_times_that_are_over_are_refused(acme: Broker) -> None:
    contract(acme)
    for change in (mark_paid, extend):
        with pytest.raises(TenantError):
            change(acme, NOW - DAY, "s", now=NOW)
    with pytest.raises(TenantError, match="already"):
        start_trial(acme, 3, "s")


def test_a_broker_without_a_contract_is_limited_by_nothing(in_acme: Broker) -> None:
    assert [refusal(capability) for capability in Capability] == [None, None, None]


def place(master_id: uuid.UUID) -> engine.Outcome:
    command = PlaceBlock(
        command_id=uuid.uuid4(), symbol="EURUSD", side="buy", kind="market", volume_lots=Decimal(1),
        placed_by="test",
    )  # fmt: skip
    return engine.execute("acme", master_id, command)


@pytest.mark.parametrize("state", ["read_only", "suspended"])
def test_opening_is_refused_and_closing_works(acme: Broker, state: str) -> None:
    contract(acme, state)
    with broker_schema("acme"):
        book = master(person("manager"))
        with book_engine("acme", book.public_id, lambda _command: done()) as asked:
            with pytest.raises(ForbiddenError) as caught:
                place(book.public_id)
            turn = ReverseBlock(command_id=uuid.uuid4(), block_id=uuid.uuid4(), placed_by="test")
            with pytest.raises(ForbiddenError):
                engine.execute("acme", book.public_id, turn)
            close = CloseBlock(command_id=uuid.uuid4(), block_id=uuid.uuid4(), placed_by="test")
            engine.execute("acme", book.public_id, close)
            with pytest.raises(ForbiddenError):
                join("acme", book, account(person("investor")), None)
    assert caught.value.code == f"subscription_{state}"
    assert [type(command) for command in asked] == [CloseBlock]
    assert f"`{caught.value.code}`" in Path(settings.BASE_DIR, "docs/rejections.md").read_text()


@pytest.mark.parametrize("state", ["trial", "active", "grace"])
def test_a_payment_that_is_due_keeps_nobody_from_opening(acme: Broker, state: str) -> None:
    contract(acme, state)
    with broker_schema("acme"):
        book = master(person("manager"))
        with book_engine("acme", book.public_id, lambda _command: done()) as asked:
            place(book.public_id)
    assert len(asked) == 1


def test_one_brokers_standing_is_not_anothers(acme: Broker, globex: Broker) -> None:
    contract(acme, "suspended")
    with broker_schema("globex"):
        assert refusal(Capability.OPEN) is None
    with broker_schema("acme"):
        assert refusal(Capability.OPEN) is not None


def test_usage_counts_accounts_that_follow_a_master_and_their_equity(in_acme: Broker) -> None:
    first, second, gone = History(1_000_000), History(50_000, currency="EUR"), History(7)
    Link.objects.filter(pk=gone.link.pk).update(left_at=NOW)
    AccountState.objects.filter(account_id=first.account_id).update(equity_minor=900_000)
    assert usage_now() == Usage(2, {"EUR": 50_000, "USD": 900_000})
    assert second.link.left_at is None


def test_a_days_usage_is_kept_once_and_at_its_largest(acme: Broker) -> None:
    for accounts in (5, 9, 3):
        record(acme, Usage(accounts, {"USD": accounts}), now=NOW)
    record(acme, Usage(1), now=NOW + DAY)
    rows = UsageDay.objects.order_by("day").values_list("active_accounts", flat=True)
    assert list(rows) == [9, 1]


def test_the_hourly_job_measures_every_broker_without_stripe(acme: Broker, globex: Broker) -> None:
    assert "2 brokers measured, 0 contracts moved, 0 days reported" in keep_revenue()
    assert UsageDay.objects.filter(broker__in=[acme, globex]).count() == 2


@override_settings(TRIAL_DAYS=14)
def test_a_new_broker_begins_with_a_trial_where_the_platform_gives_one(
    acme: Broker,
) -> None:
    with temporary_broker() as made:
        row = Subscription.objects.get(broker=made)
        assert (row.state, status_of(made)) == ("trial", "sandbox")
        assert row.until is not None


# ------------------------------------------------------------------ pages


@pytest.fixture
def staff(acme: Broker, client_at: Callable[[str], Client]) -> Client:
    set_password("staff@x.example", "a-long-password-9")
    client = client_at("public")
    answer = client.post(
        "/staff/login", {"email": "staff@x.example", "password": "a-long-password-9"}
    )
    assert answer.status_code == 302
    return client


def test_staff_starts_a_trial_marks_it_paid_and_gives_more_time(
    staff: Client, acme: Broker
) -> None:
    future = (datetime.now(UTC) + 20 * DAY).date().isoformat()
    staff.post("/staff/acme/extend", {"more-until": future})
    assert Subscription.objects.get().state == "trial"
    answer = staff.post(
        "/staff/acme/paid",
        {"paid-until": future, "paid-number": "P-9", "paid-amount": "990", "paid-currency": "usd"},
        follow=True,
    )
    assert "Saved." in answer.content.decode()
    assert PlatformInvoice.objects.get().total_minor == 99_000
    staff.post("/staff/acme/extend", {"more-until": future})
    page = staff.get("/staff/acme/").content.decode()
    for part in ("P-9", "990.00", "staff@x.example", "contract.paid"):
        assert part in page, part
    assert "acme" in staff.get("/staff/").content.decode()


def test_a_change_that_cannot_be_is_told(staff: Client, acme: Broker) -> None:
    contract(acme, "grace", NOW)
    answer = staff.post(
        "/staff/acme/paid", {"paid-until": "2020-01-01", "paid-currency": "USD"}, follow=True
    )
    assert "still to come" in answer.content.decode()
    assert Subscription.objects.get().state == "grace"


@pytest.mark.parametrize("path", ["", "acme/"])
def test_nobody_sees_contracts_without_logging_in(
    acme: Broker, client_at: Callable[[str], Client], path: str
) -> None:
    answer = client_at("public").get(f"/staff/{path}")
    assert (answer.status_code, answer["Location"]) == (302, "/staff/login")


@pytest.mark.parametrize("cookie", ["", "x", "eyJhbGciOi:1:2"])
def test_a_cookie_that_is_not_ours_is_nobody(
    acme: Broker, client_at: Callable[[str], Client], cookie: str
) -> None:
    client = client_at("public")
    client.cookies[COOKIE] = cookie
    assert client.post("/staff/acme/extend", {"more-until": "2099-01-01"}).status_code == 302
    assert not Subscription.objects.exists()


def test_another_password_ends_the_log_in(staff: Client) -> None:
    assert staff.get("/staff/").status_code == 200
    set_password("staff@x.example", "another-password-9")
    assert staff.get("/staff/").status_code == 302


def test_a_wrong_password_and_an_unknown_address_are_told_alike(
    staff: Client, client_at: Callable[[str], Client]
) -> None:
    client = client_at("public")
    texts = {
        client.post("/staff/login", {"email": email, "password": "wrong"})
        .content.decode()
        .partition('class="form-errors"')[2]
        .partition("</div>")[0]
        for email in ("staff@x.example", "nobody@x.example")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("path", ["/staff/", "/billing/stripe"])
def test_a_brokers_host_has_no_staff_pages(
    acme: Broker, client_at: Callable[[str], Client], path: str
) -> None:
    assert client_at("acme").get(path).status_code == 404


@pytest.mark.parametrize("state", STATES)
def test_the_owner_sees_the_contract_in_every_state(
    in_acme: Broker, client_at: Callable[[str], Client], state: str
) -> None:
    contract(in_acme, state, NOW)
    record(in_acme, Usage(7, {"USD": 123_456}), now=NOW)
    client = client_at("acme")
    client.force_login(person("admin"))
    page = client.get("/office/plan/").content.decode()
    assert "1,234.56" in page
    assert ("subscription_" in page) == (state in ("read_only", "suspended"))
    banner = client.get("/office/documents/").content.decode()
    assert ("can be closed" in banner) == (state in ("read_only", "suspended"))


@pytest.mark.parametrize("role", ["finance", "manager", "investor"])
def test_only_an_admin_sees_what_the_platform_costs(
    in_acme: Broker, client_at: Callable[[str], Client], role: str
) -> None:
    client = client_at("acme")
    client.force_login(person(role))
    assert client.get("/office/plan/").status_code == 403


def test_staff_is_made_by_a_command_and_logs_in(
    acme: Broker, client_at: Callable[[str], Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a-long-password-9\n"))
    call_command("create_staff", "Boss@X.example")
    login = {"email": "boss@x.example", "password": "a-long-password-9"}
    assert client_at("public").post("/staff/login", login).status_code == 302
