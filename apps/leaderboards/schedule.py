"""The job of each broker in the platform's beat schedule (public schema)."""

from __future__ import annotations

import json

from django_celery_beat.models import IntervalSchedule

from tenants.door import check_slug, public_schema
from tenants.schedules import keep_job

EVERY_MINUTES = 5


def ensure_schedule(slug: str, every_minutes: int = EVERY_MINUTES) -> None:
    """Have beat refresh the broker's board every `every_minutes`. Idempotent."""
    check_slug(slug)
    with public_schema():
        interval, _ = IntervalSchedule.objects.get_or_create(
            every=every_minutes, period=IntervalSchedule.MINUTES
        )
        keep_job(
            f"leaderboards.refresh {slug}",
            task="leaderboards.refresh",
            interval=interval,
            args=json.dumps([slug]),
            headers=json.dumps({"_schema_name": slug}),
            # A board that nobody computed in time is computed by the next run.
            expire_seconds=every_minutes * 60,
        )
