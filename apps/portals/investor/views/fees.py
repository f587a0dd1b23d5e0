"""Fees charged, what would be charged today, and the documents."""

from __future__ import annotations

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.access import links_of, require_role
from apps.accounts.models import Link, Role
from apps.billing.compute import Charge, Kind
from apps.billing.models import FeeCharge
from apps.billing.pdf import mark_text
from apps.billing.plan_words import rows_of
from apps.billing.selectors.people import accruals, changes_for, charges_of, papers_of
from apps.core.errors import UnavailableError
from apps.portals.investor.page import investor, page, zone
from apps.portals.papers import languages, own_pdf

PAGE_ROWS = 24
PAPERS = 48  # the latest invoices and credit notes; all are in the office's archive


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
            "mark": _mark(due[link.id], link.account.currency),
            "rate": due[link.id].terms.rate,
            "items": [
                {"name": FeeCharge.Kind(item.kind).label, "amount_minor": item.amount_minor}
                for item in due[link.id].items
                if item.kind is not Kind.REBATE
            ],
            "plan": rows_of(due[link.id].terms.fees),
        }
        for link in links
        if link.id in due
    ]
    found = Paginator(charges_of(user), PAGE_ROWS).get_page(request.GET.get("page"))
    rows = [
        {
            "charge": charge,
            "mark": ""
            if charge.hwm_after is None
            else mark_text(str(charge.hwm_after), charge.currency),
        }
        for charge in found
    ]
    today = timezone.now().astimezone(zone(request)).date()
    notices = [
        {
            "day": change.effective_from,
            "master": change.link.master if change.link else change.master,
            "rows": rows_of(change.fees),
        }
        for change in changes_for(user, today)
    ]
    papers = papers_of(user)[:PAPERS]
    context = page(
        "fees", running=running, page=found, rows=rows, notices=notices, papers=papers,
        **languages(user),
    )  # fmt: skip
    return render(request, "investor/fees.html", context)


def _mark(charge: Charge, currency: str) -> str:
    """The mark the running fee is measured by; "" where none is charged on gains."""
    return mark_text(str(charge.steps[-1].before), currency) if charge.steps else ""


@require_safe
@require_role(Role.INVESTOR)
def document_pdf(request: HttpRequest, document_id: UUID) -> HttpResponse:
    """The owner's own document; anybody else's is not there."""
    try:
        return own_pdf(investor(request), document_id)
    except UnavailableError as error:
        context = page("fees", error=error)
        return render(request, "investor/document_unavailable.html", context, status=error.status)
