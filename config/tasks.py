"""The platform's own recurring jobs: every broker has its schedule, new ones within a minute; what
brokers use is measured, reported and paid for."""

from __future__ import annotations

from celery import shared_task

from apps.accounts.schedule import ensure_schedule as ensure_notices
from apps.billing.schedules import ensure_schedules
from apps.billing.selectors.usage import usage_now
from apps.leaderboards.schedule import ensure_schedule
from tenants.door import all_brokers
from tenants.revenue.contracts import advance
from tenants.revenue.usage import measure_all, report_due


@shared_task(name="platform.ensure_schedules")
def ensure_all_schedules() -> int:
    """Create or correct the recurring jobs of all brokers; how many brokers there are."""
    ensure_schedules()
    slugs = all_brokers()
    for slug in slugs:
        ensure_schedule(slug)
        ensure_notices(slug)
    return len(slugs)


@shared_task(name="platform.revenue")
def keep_revenue() -> str:
    """Measure usage, move contracts whose time is over, report finished days."""
    brokers, moved = measure_all(usage_now), advance()
    return f"{brokers} brokers measured, {moved} contracts moved, {report_due()} days reported"
