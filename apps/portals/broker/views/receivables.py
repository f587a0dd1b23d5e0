"""What investors owe, by age; a settlement taken back."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import require_role
from apps.accounts.models import Link
from apps.billing.broker import broker_now
from apps.billing.models import FeeRun
from apps.billing.selectors.receivables import BUCKETS, receivables, totals_of
from apps.billing.services.undo import undo_settlement
from apps.core.errors import ProrataError
from apps.portals.broker.page import STAFF, context, request_id, user_of
from apps.portals.csv_cells import amount_cell, table_response

PER_PAGE = 100
COLUMNS = (
    "account", "investor", "master", "status", "since_utc", "currency", "owed", "days_0_30",
    "days_31_60", "days_61_90", "days_over_90",
)  # fmt: skip


@require_safe
@require_role(*STAFF)
def owed(request: HttpRequest) -> HttpResponse:
    """GET every debt with its age, who has owed longest first."""
    rows = receivables(timezone.now())
    return render(
        request,
        "office/receivables.html",
        context(
            request,
            "broker:receivables",
            page=Paginator(rows, PER_PAGE).get_page(request.GET.get("page")),
            totals=totals_of(rows),
            buckets=BUCKETS,
        ),
    )


@require_safe
@require_role(*STAFF)
def owed_csv(request: HttpRequest) -> HttpResponseBase:
    """GET the same as CSV."""
    rows = [
        [
            str(row.link.account.login),
            str(row.link.account.owner or ""),
            row.link.master.name,
            row.link.status,
            row.since.isoformat(timespec="seconds"),
            row.currency,
            *(amount_cell(minor, row.currency) for minor in (row.total_minor, *row.by_age)),
        ]
        for row in receivables(timezone.now())
    ]
    return table_response(request, "receivables", COLUMNS, rows)


@require_POST
@require_role(*STAFF)
def reverse(request: HttpRequest, public_id: UUID, link_id: UUID) -> HttpResponse:
    """POST reason: every charge of this account in this run is taken back, with its documents."""
    run = get_object_or_404(FeeRun, public_id=public_id)
    link = get_object_or_404(Link, public_id=link_id)
    try:
        notes = undo_settlement(
            user_of(request), run, link, broker_now(), request.POST.get("reason", ""),
            request_id=request_id(request),
        )  # fmt: skip
    except ProrataError as error:
        messages.error(request, _("%(message)s [%(code)s]") % {
            "message": error.message, "code": error.code,
        })  # fmt: skip
    else:
        text = ngettext(
            "Reversed; %(count)s credit note is issued.",
            "Reversed; %(count)s credit notes are issued.",
            len(notes),
        )
        messages.success(request, text % {"count": len(notes)})
    return redirect("broker:fee_run", public_id=public_id)
