"""Documents issued: search, the files, a period as one zip."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.billing.models import Document
from apps.billing.periods import month
from apps.billing.selectors.finance import documents, documents_of_period, month_keys, troubled_mail
from apps.billing.services.archive import zip_of
from apps.billing.services.documents import pdf_of
from apps.core.errors import InputError, ProrataError
from apps.portals.broker.page import STAFF, context
from apps.portals.csv_cells import amount_cell, table_response
from tenants.door import current_broker

PER_PAGE = 50
COLUMNS = (
    "number", "kind", "period", "account", "person", "email", "total", "currency", "issued_utc",
    "reverses", "mail", "mail_note", "data_sha256",
)  # fmt: skip


def _asked(request: HttpRequest) -> tuple[str, str]:
    """(search, kind) as asked for; a kind there is not means all."""
    kind = request.GET.get("kind", "")
    known = kind if kind in Document.Kind.values else ""
    return request.GET.get("q", "").strip()[:100], known


@require_safe
@require_role(*STAFF)
def listing(request: HttpRequest) -> HttpResponse:
    """GET /office/documents/?q=&kind=: a number, person, login or period."""
    search, kind = _asked(request)
    page = Paginator(documents(search, kind), PER_PAGE).get_page(request.GET.get("page"))
    told = {name: value for name, value in (("q", search), ("kind", kind)) if value}
    query = urlencode(told) + "&" if told else ""
    return render(
        request,
        "office/documents.html",
        context(
            request,
            "broker:documents",
            page=page,
            search=search,
            kind=kind,
            kinds=Document.Kind.choices,
            query=query,
            months=month_keys(),
            troubled=troubled_mail().count(),
        ),
    )


@require_safe
@require_role(*STAFF)
def listing_csv(request: HttpRequest) -> HttpResponseBase:
    """GET the same search as a table to download."""
    return table_response(request, "documents", COLUMNS, map(_cells, documents(*_asked(request))))


def _cells(document: Document) -> list[str]:
    charge, deliveries = document.charge, list(document.deliveries.all())
    return [
        document.reference,
        document.kind,
        document.run.key if document.run else "",
        str(charge.link.account.login) if charge else "",
        document.owner.full_name,
        document.owner.email,
        amount_cell(document.total_minor, document.currency),
        document.currency,
        document.issued_at.isoformat(timespec="seconds"),
        document.mirrors.reference if document.mirrors else "",
        "; ".join(one.state for one in deliveries),
        "; ".join(one.reason for one in deliveries if one.reason),
        document.data_sha256,
    ]


@require_safe
@require_role(*STAFF)
def pdf(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET the document's file."""
    document = get_object_or_404(Document, public_id=public_id)
    try:
        content = pdf_of(document)
    except ProrataError as error:
        messages.error(request, f"{error.message} [{error.code}]")
        return redirect("broker:documents")
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'attachment; filename="{document.reference}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response


@require_safe
@require_role(*STAFF)
def period_zip(request: HttpRequest) -> HttpResponseBase:
    """GET ?period=2026-10: every document of the month, streamed."""
    period = request.GET.get("period", "")
    try:
        month(period, ZoneInfo("UTC"))
    except InputError as error:
        messages.error(request, f"{error.message} [{error.code}]")
        return redirect("broker:documents")
    pieces = zip_of(current_broker(), documents_of_period(period))
    response = StreamingHttpResponse(pieces, content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="documents-{period}.zip"'
    response["Cache-Control"] = "private, no-store"
    return response
