"""Billing's tasks. Each runs in the schema of the broker its headers name, or stops."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from celery import shared_task
from django.utils import timezone

from apps.accounts.models import User
from apps.billing.periods import month, month_before
from apps.billing.services.collect import collect_due as collect
from apps.billing.services.mail import deliver_due as deliver
from apps.billing.services.queue import COLLECT, DELIVER, ISSUE, RUN_FEES
from apps.billing.services.run_documents import issue_missing_documents
from apps.billing.services.runs import broker_now, run_fees


@shared_task(name=RUN_FEES)
def run_fees_task(period: str | None = None, actor_id: int | None = None) -> str:
    """Charge a month ("2026-10"); the last one that has ended when none is named. `actor_id`: who
    asked for it, None for the schedule."""
    broker = broker_now()
    zone = ZoneInfo(broker.time_zone)
    wanted = month(period, zone) if period else month_before(timezone.now(), zone)
    actor = User.objects.filter(pk=actor_id).first() if actor_id else None
    result = run_fees(wanted, actor=actor)
    issue_missing_documents(broker)
    return f"{broker.slug} {wanted.key}: {len(result.charges)} charged, {result.already} before"


@shared_task(name=COLLECT)
def collect_due() -> str:
    """Take what is due, ask again for what is not known."""
    broker = broker_now()
    return f"{broker.slug}: {collect()}"


@shared_task(name=DELIVER)
def deliver_due() -> str:
    """Send the documents that wait."""
    broker = broker_now()
    return f"{broker.slug}: {deliver()}"


@shared_task(name=ISSUE)
def issue_documents() -> str:
    """Remittances, invoices and summaries that a posted run lacks."""
    broker = broker_now()
    return f"{broker.slug}: {len(issue_missing_documents(broker))} documents"
