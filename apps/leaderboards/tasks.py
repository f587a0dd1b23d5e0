"""Celery: the board is computed by schedule, a job for each broker."""

from __future__ import annotations

from celery import shared_task
from django.db import connection

from apps.leaderboards.board import refresh_board
from tenants.door import current_broker


@shared_task(name="leaderboards.refresh")
def refresh(broker: str) -> int:
    """Refresh the board of `broker`, whose schema the task's header must have opened."""
    if current_broker() != broker:
        raise RuntimeError(f"scheduled for {broker}, running in {current_broker()}")
    return refresh_board(str(connection.tenant.base_currency))  # type: ignore[attr-defined]
