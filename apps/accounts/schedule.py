"""Accounts' recurring job: every broker's notices are sent within a minute."""

from __future__ import annotations

import json

from django_celery_beat.models import IntervalSchedule

from tenants.door import public_schema
from tenants.schedules import keep_job

DELIVER_NOTICES = "accounts.deliver_notices"


def ensure_schedule(slug: str) -> None:
    """Create or correct the broker's job. Safe to repeat."""
    with public_schema():
        each, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.MINUTES)
    keep_job(
        f"{slug}: {DELIVER_NOTICES}",
        task=DELIVER_NOTICES,
        headers=json.dumps({"_schema_name": slug}),
        interval=each,
    )
