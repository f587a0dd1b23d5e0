"""Billing's recurring jobs: rows of celery-beat in the public schema, one set per broker.

Each job names its broker by the header `_schema_name`; without it a task would run in public.
"""

from __future__ import annotations

import json

from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from apps.billing.services.queue import ACCRUE, ATTEND, COLLECT, DELIVER, ISSUE, RUN_FEES
from tenants.door import all_brokers, public_schema
from tenants.models import Broker
from tenants.schedules import keep_job


def ensure_schedules() -> list[str]:
    """Create or correct every broker's jobs; returns their names. Safe to repeat."""
    slugs = all_brokers()
    names = []
    with public_schema():
        for broker in Broker.objects.filter(schema_name__in=slugs).order_by("id"):
            names += _for_broker(broker)
        (
            PeriodicTask.objects.filter(
                task__in=[RUN_FEES, ACCRUE, ATTEND, COLLECT, DELIVER, ISSUE]
            )
            .exclude(name__in=names)
            .delete()
        )
    return names


def _for_broker(broker: Broker) -> list[str]:
    nightly = [_daily(broker, minute) for minute in ("10", "30")]
    minutely, _ = IntervalSchedule.objects.get_or_create(every=1, period=IntervalSchedule.MINUTES)
    often, _ = IntervalSchedule.objects.get_or_create(every=5, period=IntervalSchedule.MINUTES)
    jobs = {
        ACCRUE: {"crontab": nightly[0], "interval": None},
        RUN_FEES: {"crontab": nightly[1], "interval": None},
        ATTEND: {"crontab": None, "interval": minutely},
        COLLECT: {"crontab": None, "interval": often},
        DELIVER: {"crontab": None, "interval": often},
        ISSUE: {"crontab": None, "interval": often},
    }
    names = []
    for task, when in jobs.items():
        name = f"{broker.slug}: {task}"
        keep_job(name, task=task, headers=json.dumps({"_schema_name": broker.slug}), **when)
        names.append(name)
    return names


def _daily(broker: Broker, minute: str) -> CrontabSchedule:
    """After midnight of the broker's time zone. The task itself knows which periods ended."""
    made, _ = CrontabSchedule.objects.get_or_create(
        minute=minute, hour="0", day_of_month="*", month_of_year="*", day_of_week="*",
        timezone=broker.time_zone,
    )  # fmt: skip
    return made
