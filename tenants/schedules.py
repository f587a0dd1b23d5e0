"""Rows of celery-beat's schedule in the public schema."""

from __future__ import annotations

from typing import Any

from django_celery_beat.models import PeriodicTask

from tenants.door import public_schema


def keep_job(name: str, **wanted: Any) -> None:
    """Create the job or correct it; one that is right is not written.

    Beat starts every interval anew whenever a row is saved: a job that is saved more often than it
    is due never runs.
    """
    with public_schema():
        job, is_new = PeriodicTask.objects.get_or_create(name=name, defaults=wanted)
        if is_new or all(getattr(job, field) == value for field, value in wanted.items()):
            return
        for field, value in wanted.items():
            setattr(job, field, value)
        job.save()
