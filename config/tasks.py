"""The platform's own recurring job: every broker has its schedule, new ones within a minute."""

from __future__ import annotations

from celery import shared_task

from apps.accounts.schedule import ensure_schedule as ensure_notices
from apps.billing.schedules import ensure_schedules
from apps.leaderboards.schedule import ensure_schedule
from tenants.door import all_brokers


@shared_task(name="platform.ensure_schedules")
def ensure_all_schedules() -> int:
    """Create or correct the recurring jobs of all brokers; how many brokers there are."""
    ensure_schedules()
    slugs = all_brokers()
    for slug in slugs:
        ensure_schedule(slug)
        ensure_notices(slug)
    return len(slugs)
