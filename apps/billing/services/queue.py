"""Putting billing's tasks on the queue by name, after the commit, for the open schema's broker."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from celery import current_app
from django.db import transaction
from kombu.exceptions import OperationalError

from tenants.door import current_broker

RUN_FEES = "billing.run_fees"
DELIVER = "billing.deliver_due"
COLLECT = "billing.collect_due"
ISSUE = "billing.issue_documents"
NOTIFY = "billing.notify"
ATTEND = "billing.attend"  # every minute: what stopped half way, who left, who withdrew
ACCRUE = "billing.accrue"
log = logging.getLogger(__name__)


def after_commit(
    task: str, *, countdown_s: int = 0, kwargs: Mapping[str, object] | None = None
) -> None:
    """Queue `task` when the current transaction commits. A queue that is down loses nothing: what
    is due stands in the database and the schedule finds it."""
    slug = current_broker()

    def send() -> None:
        try:
            current_app.send_task(
                task,
                kwargs=dict(kwargs or {}),
                headers={"_schema_name": slug},
                countdown=countdown_s,
                retry=False,
            )
        except (OperationalError, OSError):
            log.warning("%s for %s waits for its schedule: the queue is down", task, slug)

    transaction.on_commit(send)
