"""The overview: masters, money, the engine."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.accounts.models import AuditEntry
from apps.core.errors import ProrataError
from apps.engine.differences import Reconciled, reconciled
from apps.engine.status import EngineStatus, engine_status
from apps.portals.broker.overview import equity_by_currency, investors_count, master_lines
from apps.portals.broker.page import STAFF, context
from tenants.door import current_broker


@require_safe
@require_role(*STAFF)
def dashboard(request: HttpRequest) -> HttpResponse:
    """GET /office/."""
    broker = current_broker()
    lines = master_lines(broker)
    return render(
        request,
        "office/dashboard.html",
        context(
            request,
            "broker:dashboard",
            lines=lines,
            masters=sum(line.master.is_active for line in lines),
            investors=investors_count(),
            accounts=sum(line.accounts for line in lines),
            totals=equity_by_currency(broker),
            engine=_engine(),
            books=_books(),
            latest=AuditEntry.objects.select_related("actor").order_by("-pk")[:8],
        ),
    )


def _engine() -> EngineStatus | None:
    """None: even the question could not be asked."""
    try:
        return engine_status(current_broker())
    except ProrataError:
        return None


def _books() -> Reconciled | None:
    """None: even the question could not be asked."""
    try:
        return reconciled(current_broker())
    except ProrataError:
        return None
