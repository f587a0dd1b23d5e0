"""Accounts' tasks. Each runs in the schema of the broker its headers name, or stops."""

from __future__ import annotations

from celery import shared_task

from apps.accounts.notices import deliver_due
from apps.accounts.schedule import DELIVER_NOTICES
from tenants.door import current_broker


@shared_task(name=DELIVER_NOTICES)
def deliver_notices() -> str:
    """Send the notices that wait."""
    return f"{current_broker()}: {deliver_due()}"
