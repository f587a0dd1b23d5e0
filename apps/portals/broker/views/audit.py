"""The audit trail, newest first."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.accounts.models import AuditEntry
from apps.portals.broker.page import ADMIN, context

PER_PAGE = 100


@require_safe
@require_role(*ADMIN)
def trail(request: HttpRequest) -> HttpResponse:
    """GET /office/audit/?q=: actions, subjects or actors that contain q."""
    entries = AuditEntry.objects.select_related("actor").order_by("-pk")
    search = request.GET.get("q", "").strip()[:100]
    if search:
        entries = (
            entries.filter(action__icontains=search)
            | entries.filter(subject__icontains=search)
            | entries.filter(actor__email__icontains=search)
        )
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    query = urlencode({"q": search}) + "&" if search else ""
    return render(
        request,
        "office/audit.html",
        context(request, "broker:audit", page=page, search=search, query=query),
    )
