"""Stripe: the real client against a server on a socket, events signed as Stripe signs them."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stripe
from django.db import connection
from django.http import JsonResponse
from django.test import Client, override_settings

from tenants.door import public_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tenants.revenue.checkout import checkout_url, customer_of, portal_url
from tenants.revenue.models import (
    Plan,
    PlatformInvoice,
    RevenueAudit,
    StripeEvent,
    Subscription,
    UsageDay,
)
from tenants.revenue.sync import ask, sync, write
from tenants.revenue.usage import Usage, record, report_due
from tests.factories import person
from tests.revenue.fake_stripe import SECRET, FakeStripe

BACK = "https://acme.example/office/plan/"
At = Callable[[str], Client]


@pytest.fixture
def plan(db: None) -> Plan:
    return Plan.objects.create(code="pro", name="Pro", month_minor=99_000, stripe_price="price_pro")


@pytest.fixture
def customer(acme: Broker, stripe_server: FakeStripe, plan: Plan) -> str:
    """Acme is a customer at Stripe and has subscribed to nothing."""
    return customer_of(acme, "boss@acme.example")


def event(kind: str, subject: dict[str, Any], event_id: str = "") -> bytes:
    body = {
        "id": event_id or f"evt_{uuid.uuid4().hex}", "object": "event", "type": kind,
        "created": int(time.time()), "data": {"object": subject},
    }  # fmt: skip
    return json.dumps(body).encode()


def signed(body: bytes, *, at: int | None = None, secret: str = SECRET) -> str:
    moment = int(time.time()) if at is None else at
    text = f"{moment}.{body.decode()}"
    return f"t={moment},v1={stripe.WebhookSignature._compute_signature(text, secret)}"


def deliver(client_at: At, body: bytes, signature: str | None = None) -> tuple[int, dict[str, str]]:
    answer = client_at("public").post(
        "/billing/stripe", body, content_type="application/json",
        headers={"Stripe-Signature": signed(body) if signature is None else signature},
    )  # fmt: skip
    assert isinstance(answer, JsonResponse)
    return answer.status_code, json.loads(answer.content)


def changed(customer: str, event_id: str = "", **more: Any) -> bytes:
    subject = {"id": "sub_x", "object": "subscription", "customer": customer, **more}
    return event("customer.subscription.updated", subject, event_id)


def state_of(broker: Broker) -> tuple[str, str]:
    row = Subscription.objects.select_related("broker").get(broker=broker)
    return row.state, row.broker.status


def test_checkout_names_the_broker_and_one_customer_is_made(
    acme: Broker, stripe_server: FakeStripe, plan: Plan
) -> None:
    for _ in range(2):
        assert checkout_url(acme, plan, "b@acme.example", BACK).startswith("https://checkout.")
    assert len(stripe_server.customers) == 1
    session = stripe_server.sessions[0]
    assert session["client_reference_id"] == str(acme.public_id)
    assert session["line_items[0][price]"] == "price_pro"
    assert session["customer"] == Subscription.objects.get().stripe_customer


def test_two_checkouts_at_once_make_one_customer(
    own_broker: Broker, stripe_server: FakeStripe
) -> None:
    found, start = [], threading.Barrier(2)

    def one() -> None:
        start.wait()
        found.append(customer_of(own_broker, "b@x.example"))
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == len(stripe_server.customers) == 1


def test_who_only_looked_at_the_checkout_is_not_counted_down(customer: str, acme: Broker) -> None:
    assert Subscription.objects.get().until is None


def test_the_portal_is_of_the_brokers_own_customer(
    acme: Broker, globex: Broker, customer: str, stripe_server: FakeStripe
) -> None:
    assert portal_url(acme, BACK).startswith("https://billing.")
    assert stripe_server.sessions[-1]["customer"] == customer
    with pytest.raises(TenantError) as caught:
        portal_url(globex, BACK)
    assert caught.value.code == "no_customer"


def test_a_payment_makes_the_contract_active_with_its_plan_and_invoices(
    acme: Broker, customer: str, plan: Plan, stripe_server: FakeStripe, client_at: At
) -> None:
    stripe_server.subscribe(customer)
    stripe_server.bill(customer, 99_000, "paid")
    assert deliver(client_at, changed(customer)) == (200, {"outcome": "applied"})
    row = Subscription.objects.get(broker=acme)
    assert (row.state, row.billing, row.plan, row.until) == ("active", "stripe", plan, None)
    invoice = PlatformInvoice.objects.get()
    assert (invoice.total_minor, invoice.currency, invoice.state) == (99_000, "USD", "paid")
    assert RevenueAudit.objects.get().actor == "stripe"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("active", ("active", "live")), ("trialing", ("active", "live")),
        ("past_due", ("grace", "live")), ("unpaid", ("read_only", "read_only")),
        ("canceled", ("read_only", "read_only")),
    ],
)  # fmt: skip
def test_the_contract_follows_stripes_status(
    acme: Broker, customer: str, stripe_server: FakeStripe, client_at: At, status: str,
    expected: tuple[str, str],
) -> None:  # fmt: skip
    stripe_server.subscribe(customer)
    deliver(client_at, changed(customer))
    stripe_server.subscribe(customer, status)
    deliver(client_at, changed(customer))
    assert state_of(acme) == expected


def test_paying_after_dunning_opens_everything_again(
    acme: Broker, customer: str, stripe_server: FakeStripe, client_at: At
) -> None:
    Subscription.objects.filter(broker=acme).update(state="suspended")
    stripe_server.subscribe(customer)
    deliver(client_at, event("invoice.paid", {"object": "invoice", "customer": customer}))
    assert state_of(acme) == ("active", "live")


@pytest.mark.parametrize(("secret", "age_s"), [("whsec_other", 0), (SECRET, 3600), (SECRET, 301)])
def test_a_wrong_or_an_old_signature_is_refused(
    acme: Broker, customer: str, stripe_server: FakeStripe, client_at: At, secret: str, age_s: int
) -> None:
    stripe_server.subscribe(customer)
    body = changed(customer)
    answer = deliver(client_at, body, signed(body, at=int(time.time()) - age_s, secret=secret))
    assert answer == (400, {"code": "signature_invalid"})
    assert not StripeEvent.objects.exists()
    assert state_of(acme)[0] == "trial"


@pytest.mark.parametrize("signature", ["", "t=1", "v1=abc", "nonsense"])
def test_no_signature_is_no_signature(customer: str, client_at: At, signature: str) -> None:
    assert deliver(client_at, changed(customer), signature)[0] == 400


def test_a_body_changed_after_signing_is_refused(customer: str, client_at: At) -> None:
    body = changed(customer)
    assert deliver(client_at, body + b" ", signed(body))[0] == 400


def test_an_event_that_comes_again_is_answered_and_not_applied_again(
    acme: Broker, customer: str, stripe_server: FakeStripe, client_at: At
) -> None:
    stripe_server.subscribe(customer)
    body = changed(customer, "evt_same")
    assert deliver(client_at, body) == (200, {"outcome": "applied"})
    stripe_server.subscribe(customer, "past_due")
    asked = len(stripe_server.requests)
    assert deliver(client_at, body) == (200, {"outcome": "applied"})
    assert len(stripe_server.requests) == asked
    assert state_of(acme)[0] == "active"
    assert StripeEvent.objects.count() == 1


def test_events_in_the_wrong_order_end_in_what_stripe_says_now(
    acme: Broker, customer: str, stripe_server: FakeStripe, client_at: At
) -> None:
    """Cancelled, then the payment that came before it: what is true now counts, not the event."""
    stripe_server.subscribe(customer)
    deliver(client_at, changed(customer))
    stripe_server.subscribe(customer, "canceled")
    deliver(client_at, changed(customer, status="canceled"))
    deliver(client_at, changed(customer, status="active"))
    assert state_of(acme)[0] == "read_only"


def test_an_answer_asked_for_earlier_never_overwrites_a_later_one(
    acme: Broker, customer: str, stripe_server: FakeStripe
) -> None:
    row = Subscription.objects.get()
    stripe_server.subscribe(customer, "past_due")
    early = ask(customer)
    stripe_server.subscribe(customer, "active")
    late = ask(customer)
    with public_schema():
        assert write(row.pk, late)
        assert not write(row.pk, early)
    assert state_of(acme)[0] == "active"


def test_the_same_event_at_once_in_two_processes_counts_once(
    own_broker: Broker, stripe_server: FakeStripe, client_at: At
) -> None:
    customer = customer_of(own_broker, "b@x.example")
    stripe_server.subscribe(customer)
    stripe_server.hold = threading.Event()
    body, answers = changed(customer, f"evt_{own_broker.slug}"), []

    def one() -> None:
        answers.append(deliver(client_at, body))
        connection.close()

    threads = [threading.Thread(target=one) for _ in range(2)]
    for thread in threads:
        thread.start()
    stripe_server.asked.wait(5)
    stripe_server.hold.set()
    for thread in threads:
        thread.join()
    with public_schema():
        (event_row,) = StripeEvent.objects.filter(broker=own_broker)
        assert event_row.pk == f"evt_{own_broker.slug}"
        assert RevenueAudit.objects.filter(broker=own_broker).count() == 1
        assert len(answers) == 2
        assert (200, {"outcome": "applied"}) in answers


def test_an_event_of_another_brokers_customer_changes_neither(
    acme: Broker, globex: Broker, customer: str, stripe_server: FakeStripe, client_at: At
) -> None:
    stripe_server.subscribe(customer)
    stolen = changed(customer, metadata={"broker": str(globex.public_id)})
    assert deliver(client_at, stolen) == (200, {"outcome": "refused"})
    session = {"object": "checkout.session", "customer": customer,
               "client_reference_id": str(globex.public_id)}  # fmt: skip
    body = event("checkout.session.completed", session)
    assert deliver(client_at, body) == (200, {"outcome": "refused"})
    assert state_of(acme)[0] == "trial"
    assert not Subscription.objects.filter(broker=globex).exists()


@pytest.mark.parametrize("subject", [{}, {"customer": "cus_unknown"}, {"customer": None}])
def test_an_event_of_nobodys_customer_is_stored_and_ignored(
    customer: str, client_at: At, subject: dict[str, Any]
) -> None:
    body = event("invoice.paid", {"object": "invoice", **subject})
    assert deliver(client_at, body) == (200, {"outcome": "ignored"})
    assert StripeEvent.objects.get().broker is None


def test_while_stripe_is_down_the_event_is_asked_for_again(
    acme: Broker, customer: str, stripe_server: FakeStripe, client_at: At
) -> None:
    stripe_server.subscribe(customer)
    stripe_server.failing = 10
    body = changed(customer, "evt_late")
    assert deliver(client_at, body)[0] == 503
    assert not StripeEvent.objects.exists()
    stripe_server.failing = 0
    assert deliver(client_at, body) == (200, {"outcome": "applied"})
    assert state_of(acme)[0] == "active"


def test_invoices_are_read_again_and_never_doubled(
    acme: Broker, customer: str, stripe_server: FakeStripe
) -> None:
    row = Subscription.objects.get()
    stripe_server.subscribe(customer)
    bill = stripe_server.bill(customer, 99_000)
    sync(row)
    bill.update(status="paid", status_transitions={"paid_at": int(time.time())})
    sync(row)
    invoice = PlatformInvoice.objects.get()
    assert (invoice.state, invoice.paid_at is not None) == ("paid", True)


def test_finished_days_are_reported_once(
    acme: Broker, globex: Broker, customer: str, stripe_server: FakeStripe
) -> None:
    now = datetime.now(UTC)
    for day in (0, 1, 2):
        found = Usage(10 + day, {"USD": 1_234_567, "EUR": 5})
        record(acme, found, now=now - timedelta(days=day))
    record(globex, Usage(3), now=now - timedelta(days=1))  # pays by hand
    assert report_due(now=now) == 2
    assert report_due(now=now) == 0
    values = {name: form["payload[value]"] for name, form in stripe_server.meter_events.items()}
    yesterday = (now - timedelta(days=1)).date()
    assert len(values) == 4
    assert values[f"acme-{yesterday}-active_sub_accounts"] == "11"
    assert values[f"acme-{yesterday}-assets_under_management"] == "12345"
    assert UsageDay.objects.filter(reported_at=None).count() == 2


def test_a_report_whose_answer_was_lost_is_not_counted_twice(
    acme: Broker, customer: str, stripe_server: FakeStripe
) -> None:
    now = datetime.now(UTC)
    record(acme, Usage(4), now=now - timedelta(days=1))
    report_due(now=now)
    UsageDay.objects.update(reported_at=None)
    assert report_due(now=now) == 1
    assert len(stripe_server.meter_events) == 2


def test_a_report_that_fails_waits(acme: Broker, customer: str, stripe_server: FakeStripe) -> None:
    now = datetime.now(UTC)
    record(acme, Usage(4), now=now - timedelta(days=1))
    stripe_server.failing = 10
    with pytest.raises(stripe.APIError):
        report_due(now=now)
    stripe_server.failing = 0
    assert report_due(now=now) == 1


@override_settings(STRIPE_SECRET_KEY="", STRIPE_WEBHOOK_SECRET="")
def test_without_keys_billing_is_by_hand(acme: Broker, plan: Plan, client_at: At) -> None:
    with pytest.raises(TenantError) as caught:
        checkout_url(acme, plan, "b@acme.example", BACK)
    assert caught.value.code == "stripe_absent"
    assert deliver(client_at, changed("cus_1"))[0] == 400
    assert report_due() == 0


def test_the_owner_pays_online_and_is_active_on_return(
    in_acme: Broker, plan: Plan, stripe_server: FakeStripe, client_at: At
) -> None:
    client = client_at("acme")
    client.force_login(person("admin"))
    page = client.get("/office/plan/")
    assert "Pay online" in page.content.decode()
    assert "form-action 'self' https://checkout.stripe.com" in page["Content-Security-Policy"]
    answer = client.post("/office/plan/pay", {"plan": "pro"})
    assert answer["Location"] == "https://checkout.stripe.com/1"
    stripe_server.subscribe(str(Subscription.objects.get().stripe_customer))
    client.get("/office/plan/?paid=1")
    assert state_of(in_acme) == ("active", "live")
    assert client.post("/office/plan/pay", {"portal": "1"})["Location"].startswith(
        "https://billing."
    )


def test_a_payment_service_that_does_not_answer_is_told(
    in_acme: Broker, plan: Plan, stripe_server: FakeStripe, client_at: At
) -> None:
    client = client_at("acme")
    client.force_login(person("admin"))
    stripe_server.failing = 10
    answer = client.post("/office/plan/pay", {"plan": "pro"}, follow=True)
    assert "Nothing was charged" in answer.content.decode()
