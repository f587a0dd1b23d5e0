"""What Stripe knows of a broker, read whole and written here.

Events come late, twice and in any order, so none of them is believed: each only makes us read the
customer's subscriptions and invoices. The read is outside any transaction; the write takes the
contract's lock and leaves an answer aside that was asked for before one that is written already.
The last event's read begins after the last change, so what is written in the end is current.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from tenants.door import public_schema
from tenants.revenue.contracts import apply
from tenants.revenue.gateway import gateway
from tenants.revenue.models import Plan, PlatformInvoice, Subscription
from tenants.revenue.states import STRIPE_EVENTS

_OVER = ("canceled", "incomplete_expired")
_INVOICE_STATES = {
    "paid": PlatformInvoice.State.PAID,
    "void": PlatformInvoice.State.VOID,
    "uncollectible": PlatformInvoice.State.VOID,
}
INVOICES = 24


@dataclass(frozen=True, slots=True)
class Known:
    """One answer of Stripe. `status` None: the customer has no subscription."""

    asked_at: datetime
    status: str | None
    subscription_id: str
    price: str
    paid_until: datetime | None
    invoices: tuple[dict[str, Any], ...]


def ask(customer: str) -> Known:
    """Everything of one customer. Raises stripe.StripeError. No transaction may be open."""
    asked_at = timezone.now()
    client = gateway()
    listed = client.v1.subscriptions.list({"customer": customer, "status": "all", "limit": 10})
    found = sorted(
        (each.to_dict() for each in listed.data),
        key=lambda each: (each["status"] not in _OVER, each["created"]),
    )
    bills = client.v1.invoices.list({"customer": customer, "limit": INVOICES})
    invoices = tuple(each.to_dict() for each in bills.data)
    if not found:
        return Known(asked_at, None, "", "", None, invoices)
    current = found[-1]
    (item, *_others) = current["items"]["data"]
    end = datetime.fromtimestamp(item["current_period_end"], UTC)
    return Known(asked_at, current["status"], current["id"], item["price"]["id"], end, invoices)


def write(subscription_id: int, known: Known) -> bool:
    """Write an answer; False when a later one is written already. In the caller's transaction."""
    row = Subscription.objects.select_for_update().get(pk=subscription_id)
    if row.synced_at is not None and row.synced_at >= known.asked_at:
        return False
    for invoice in known.invoices:
        _invoice(row, invoice)
    if known.status is None:
        row.synced_at = known.asked_at
        row.save(update_fields=["synced_at"])
        return True
    plan = Plan.objects.filter(stripe_price=known.price).first() if known.price else None
    changes: dict[str, Any] = {
        "billing": Subscription.Billing.STRIPE,
        "stripe_subscription": known.subscription_id,
        "synced_at": known.asked_at,
        "plan": plan or row.plan,
    }
    apply(row, STRIPE_EVENTS[known.status], "stripe", known.asked_at, None, changes)
    return True


def sync(row: Subscription) -> bool:
    """Ask and write, e.g. on the broker's return from paying. Raises stripe.StripeError."""
    assert row.stripe_customer
    known = ask(row.stripe_customer)
    with public_schema(), transaction.atomic():
        return write(row.pk, known)


def _invoice(row: Subscription, found: dict[str, Any]) -> None:
    if found["status"] == "draft":
        return
    state = _INVOICE_STATES.get(found["status"], PlatformInvoice.State.OPEN)
    paid_at = (found.get("status_transitions") or {}).get("paid_at")
    PlatformInvoice.objects.update_or_create(
        stripe_id=found["id"],
        defaults={
            "broker_id": row.broker_id,
            "number": found["number"] or found["id"],
            "currency": found["currency"].upper(),
            "total_minor": found["total"],
            "state": state,
            "issued_at": datetime.fromtimestamp(found["created"], UTC),
            "paid_at": datetime.fromtimestamp(paid_at, UTC) if paid_at else None,
            "page_url": found.get("hosted_invoice_url") or "",
        },
    )
