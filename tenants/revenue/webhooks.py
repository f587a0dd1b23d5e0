"""Stripe's events: signature, each once, and never another broker's."""

from __future__ import annotations

from typing import Any

import stripe
from django.conf import settings
from django.db import IntegrityError, transaction

from tenants.door import public_schema
from tenants.errors import TenantError
from tenants.revenue.gateway import gateway
from tenants.revenue.models import StripeEvent, Subscription
from tenants.revenue.sync import ask, write

Outcome = StripeEvent.Outcome
# What may change a contract or an invoice; everything else is not looked at.
_MATTERS = ("customer.subscription.", "invoice.", "checkout.session.")


def receive(body: bytes, signature: str) -> str:
    """Handle one delivery; its outcome, the first one's when it came before.

    Raises TenantError("signature_invalid") for a wrong or an old signature, and stripe.StripeError
    when Stripe cannot be read now: nothing is stored then, and the event comes again.
    """
    event = _verified(body, signature)
    with public_schema():
        seen = StripeEvent.objects.filter(pk=event["id"]).first()
        if seen is not None:
            return seen.outcome
        subject = event["data"]["object"]
        row = _contract(subject)
    if row is None or not event["type"].startswith(_MATTERS):
        return _store(event, None, Outcome.IGNORED)
    if _names_another(subject, row):
        return _store(event, row, Outcome.REFUSED)
    assert row.stripe_customer
    known = ask(row.stripe_customer)
    try:
        with public_schema(), transaction.atomic():
            outcome = Outcome.APPLIED if write(row.pk, known) else Outcome.STALE
            _create(event, row, outcome)
    except IntegrityError:  # the same event at once in another process: one of them counts
        with public_schema():
            return StripeEvent.objects.get(pk=event["id"]).outcome
    return outcome


def _verified(body: bytes, signature: str) -> dict[str, Any]:
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise TenantError("stripe_absent", "No webhook secret is set.")
    try:
        event = gateway().construct_event(body, signature, settings.STRIPE_WEBHOOK_SECRET)
    except (stripe.SignatureVerificationError, ValueError) as error:
        raise TenantError("signature_invalid", "Not signed by Stripe, or too long ago.") from error
    found: dict[str, Any] = event.to_dict()
    return found


def _contract(subject: dict[str, Any]) -> Subscription | None:
    customer = subject["id"] if subject.get("object") == "customer" else subject.get("customer")
    if not isinstance(customer, str):
        return None
    return Subscription.objects.select_related("broker").filter(stripe_customer=customer).first()


def _names_another(subject: dict[str, Any], row: Subscription) -> bool:
    """The object says that it is for a broker that is not the customer's."""
    told = subject.get("client_reference_id") or (subject.get("metadata") or {}).get("broker")
    return bool(told) and told != str(row.broker.public_id)


def _store(event: dict[str, Any], row: Subscription | None, outcome: str) -> str:
    with public_schema():
        StripeEvent.objects.get_or_create(
            pk=event["id"],
            defaults={
                "kind": event["type"][:80],
                "broker": row.broker if row else None,
                "outcome": outcome,
            },
        )
    return outcome


def _create(event: dict[str, Any], row: Subscription, outcome: str) -> None:
    StripeEvent.objects.create(
        pk=event["id"], kind=event["type"][:80], broker=row.broker, outcome=outcome
    )
