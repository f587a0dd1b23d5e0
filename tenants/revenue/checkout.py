"""Paying through Stripe: its checkout for a first payment, its portal for everything after."""

from __future__ import annotations

from django.utils import timezone

from tenants.door import public_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tenants.revenue.gateway import gateway
from tenants.revenue.models import Plan, Subscription


def checkout_url(broker: Broker, plan: Plan, email: str, back: str) -> str:
    """Where the broker pays for `plan`; Stripe leads back to `back`.

    Raises TenantError: stripe_absent, plan_not_sold; stripe.StripeError.
    """
    client = gateway()
    if not plan.is_offered or not plan.stripe_price:
        raise TenantError("plan_not_sold", f"{plan.name} cannot be bought online.")
    customer = customer_of(broker, email)
    session = client.v1.checkout.sessions.create(
        {
            "mode": "subscription",
            "customer": customer,
            "client_reference_id": str(broker.public_id),
            "line_items": [{"price": plan.stripe_price, "quantity": 1}],
            "subscription_data": {"metadata": {"broker": str(broker.public_id)}},
            "success_url": f"{back}?paid=1",
            "cancel_url": back,
        }
    )
    return str(session.url)


def portal_url(broker: Broker, back: str) -> str:
    """Where the broker changes cards, plans and addresses.

    Raises TenantError: stripe_absent, no_customer; stripe.StripeError.
    """
    client = gateway()
    with public_schema():
        row = Subscription.objects.filter(broker=broker).first()
    if row is None or not row.stripe_customer:
        raise TenantError("no_customer", "Nothing was bought online yet.")
    session = client.v1.billing_portal.sessions.create(
        {"customer": row.stripe_customer, "return_url": back}
    )
    return str(session.url)


def customer_of(broker: Broker, email: str) -> str:
    """The broker's customer id at Stripe, made when there is none. Two at once make one: the
    request carries a key that Stripe answers alike."""
    with public_schema():
        # Without a deadline: who looks at the checkout and leaves is not counted down.
        row, _ = Subscription.objects.get_or_create(
            broker=broker, defaults={"since": timezone.now()}
        )
    if row.stripe_customer:
        return row.stripe_customer
    made = gateway().v1.customers.create(
        {
            "name": broker.legal_name,
            "email": email,
            "metadata": {"broker": str(broker.public_id)},
        },
        {"idempotency_key": f"customer-{broker.public_id}"},
    )
    with public_schema():
        Subscription.objects.filter(pk=row.pk, stripe_customer=None).update(stripe_customer=made.id)
        row.refresh_from_db()
    return str(row.stripe_customer)
