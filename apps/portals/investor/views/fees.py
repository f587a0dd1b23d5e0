"""Fees charged, what would be charged today, and the documents."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.access import links_of, require_role
from apps.accounts.models import Link, Role
from apps.billing.pdf import mark_text
from apps.billing.selectors.people import accruals, charges_of, documents_of
from apps.billing.services.documents import pdf_of
from apps.core.errors import UnavailableError
from apps.portals.investor.page import investor, page, zone

PAGE_ROWS = 24


@require_safe
@require_role(Role.INVESTOR)
def fees(request: HttpRequest) -> HttpResponse:
    user = investor(request)
    links = list(links_of(user).exclude(status__in=[Link.Status.DETACHED, Link.Status.INVITED]))
    due = accruals(links, timezone.now(), zone(request))
    running = [
        {
            "link": link,
            "charge": due[link.id],
            "mark": mark_text(str(due[link.id].steps[-1].before), link.account.currency),
            "rate": due[link.id].terms.rate,
        }
        for link in links
        if link.id in due
    ]
    found = Paginator(charges_of(user), PAGE_ROWS).get_page(request.GET.get("page"))
    rows = [
        {"charge": charge, "mark": mark_text(str(charge.hwm_after), charge.currency)}
        for charge in found
    ]
    context = page("fees", running=running, page=found, rows=rows)
    return render(request, "investor/fees.html", context)


@require_safe
@require_role(Role.INVESTOR)
def document_pdf(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """The owner's own document; anybody else's is not there."""
    document = get_object_or_404(documents_of(investor(request)), public_id=document_id)
    try:
        pdf = pdf_of(document)
    except UnavailableError as error:
        context = page("fees", error=error)
        return render(request, "investor/document_unavailable.html", context, status=error.status)
    response = HttpResponse(pdf, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.reference}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response
