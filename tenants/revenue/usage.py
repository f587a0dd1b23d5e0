"""What brokers use, measured once a day and reported to Stripe's meters.

The rooms that hold accounts are not ours to import: who calls `record` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

import stripe
from django.db import transaction
from django.utils import timezone

from tenants.door import all_brokers, broker_schema, public_schema
from tenants.figures import currency_digits
from tenants.models import Broker
from tenants.revenue.gateway import gateway, is_configured
from tenants.revenue.models import UsageDay

ACCOUNTS_METER = "active_sub_accounts"
AUM_METER = "assets_under_management"


@dataclass(frozen=True, slots=True)
class Usage:
    """Accounts that follow a master now, and their equity by currency in minor units."""

    active_accounts: int
    aum_minor: Mapping[str, int] = field(default_factory=dict)


def measure_all(measure: Callable[[], Usage], *, now: datetime | None = None) -> int:
    """Record today's usage of every broker; `measure` runs inside the broker's schema."""
    now = now or timezone.now()
    slugs = all_brokers()
    for slug in slugs:
        with broker_schema(slug) as broker:
            found = measure()
        record(broker, found, now=now)
    return len(slugs)


def record(broker: Broker, found: Usage, *, now: datetime) -> None:
    """The day's usage; measured again the same day, the larger number of accounts stays."""
    day = now.astimezone(UTC).date()
    with public_schema(), transaction.atomic():
        row, is_new = UsageDay.objects.select_for_update().get_or_create(
            broker=broker,
            day=day,
            defaults={
                "active_accounts": found.active_accounts,
                "aum_minor": dict(found.aum_minor),
                "measured_at": now,
            },
        )
        if not is_new and row.reported_at is None and found.active_accounts > row.active_accounts:
            row.active_accounts, row.aum_minor = found.active_accounts, dict(found.aum_minor)
            row.measured_at = now
            row.save()


def report_due(*, now: datetime | None = None) -> int:
    """Report the days that are over and not reported. Each event has an id of its own, so that a
    day that is reported twice counts once. Raises stripe.StripeError; the rest waits then."""
    now = now or timezone.now()
    if not is_configured():
        return 0
    with public_schema():
        waiting = list(
            UsageDay.objects.filter(reported_at=None, day__lt=now.astimezone(UTC).date())
            .exclude(broker__subscription__stripe_customer=None)
            .select_related("broker__subscription")
            .order_by("day", "pk")
        )
    for row in waiting:
        _report(row)
        with public_schema():
            UsageDay.objects.filter(pk=row.pk).update(reported_at=timezone.now())
    return len(waiting)


def _report(row: UsageDay) -> None:
    """One meter event for the accounts, one for the assets in the broker's own currency (whole
    units): Stripe's meters know no currency, and no rate is recorded for a day."""
    broker = row.broker
    currency = broker.base_currency
    assets = row.aum_minor.get(currency, 0) // 10 ** currency_digits(currency)
    for meter, value in ((ACCOUNTS_METER, row.active_accounts), (AUM_METER, assets)):
        try:
            gateway().v1.billing.meter_events.create(
                {
                    "event_name": meter,
                    "identifier": f"{broker.slug}-{row.day}-{meter}",
                    "timestamp": int(datetime.combine(row.day, time(23, 59), UTC).timestamp()),
                    "payload": {
                        "stripe_customer_id": broker.subscription.stripe_customer,
                        "value": str(max(0, value)),
                    },
                }
            )
        except stripe.InvalidRequestError as error:
            if "identifier" not in str(error):  # reported before: the answer was lost
                raise
