"""Billing's tasks. Each runs in the schema of the broker its headers name, or stops."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from celery import shared_task

from apps.accounts.models import User
from apps.billing.broker import broker_now
from apps.billing.periods import period_of
from apps.billing.services.attending import accrue, resume_runs, run_ended
from apps.billing.services.collect import collect_due as collect
from apps.billing.services.events import settle_events
from apps.billing.services.mail import deliver_due as deliver
from apps.billing.services.notices import notify_due
from apps.billing.services.queue import (
    ACCRUE,
    ATTEND,
    COLLECT,
    DELIVER,
    ISSUE,
    NOTIFY,
    RUN_FEES,
)
from apps.billing.services.run_documents import issue_missing_documents
from apps.billing.services.runs import RunResult, run_fees


@shared_task(name=RUN_FEES)
def run_fees_task(period: str | None = None, actor_id: int | None = None) -> str:
    """Charge a period ("2026-10", "2026-Q4"…); those that have ended when none is named.
    `actor_id`: who asked for it, None for the schedule."""
    broker = broker_now()
    if period is None:
        return f"{broker.slug}: {[_said(result) for result in run_ended()]}"
    actor = User.objects.filter(pk=actor_id).first() if actor_id else None
    result = run_fees(period_of(period, ZoneInfo(broker.time_zone)), actor=actor)
    issue_missing_documents(broker)
    return f"{broker.slug} {_said(result)}"


@shared_task(name=ATTEND)
def attend() -> str:
    """Every minute: runs that stopped half way, who withdrew or left, notices that wait."""
    broker = broker_now()
    resumed, settled, told = resume_runs(), settle_events(), notify_due()
    events = _said(settled) if settled else "no events"
    return f"{broker.slug}: {resumed} resumed, {events}, {told}"


@shared_task(name=ACCRUE)
def accrue_task() -> str:
    """Keep yesterday's equity, on which management fees accrue."""
    broker = broker_now()
    return f"{broker.slug}: {accrue()} days kept"


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


@shared_task(name=NOTIFY)
def notify() -> str:
    """Tell people of changes of their fees."""
    broker = broker_now()
    return f"{broker.slug}: {notify_due()}"


def _said(result: RunResult) -> str:
    held = f", {len(result.held)} held" if result.held else ""
    return f"{result.period.key}: {len(result.charges)} charged, {result.already} before{held}"
