"""Documents issued: search, the files, and mail that failed."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import require_role
from apps.billing.models import Delivery, Document
from apps.billing.selectors.finance import documents
from apps.billing.services.documents import pdf_of
from apps.billing.services.mail import requeue
from apps.core.errors import ProrataError, StateError
from apps.portals.broker.page import STAFF, context, request_id, user_of
from apps.portals.csv_cells import amount_cell, csv_response

PER_PAGE = 50
COLUMNS = (
    "number", "kind", "period", "account", "person", "email", "fee", "currency", "issued_utc",
    "mail", "mail_note", "data_sha256",
)  # fmt: skip


def _search(request: HttpRequest) -> str:
    return request.GET.get("q", "").strip()[:100]


@require_safe
@require_role(*STAFF)
def listing(request: HttpRequest) -> HttpResponse:
    """GET /office/documents/?q=: a number, person, login or period."""
    search = _search(request)
    page = Paginator(documents(search), PER_PAGE).get_page(request.GET.get("page"))
    query = urlencode({"q": search}) + "&" if search else ""
    return render(
        request,
        "office/documents.html",
        context(request, "broker:documents", page=page, search=search, query=query),
    )


@require_safe
@require_role(*STAFF)
def listing_csv(request: HttpRequest) -> HttpResponse:
    """GET the same search as CSV."""
    return csv_response("documents", COLUMNS, map(_cells, documents(_search(request))))


def _cells(document: Document) -> list[str]:
    charge, deliveries = document.charge, list(document.deliveries.all())
    return [
        document.reference,
        document.kind,
        charge.run.key if charge else "",
        str(charge.link.account.login) if charge else "",
        document.owner.full_name,
        document.owner.email,
        amount_cell(charge.amount_minor, charge.currency) if charge else "",
        charge.currency if charge else "",
        document.issued_at.isoformat(timespec="seconds"),
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


@require_POST
@require_role(*STAFF)
def mail_again(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST: what could not be delivered of this document goes on its way again."""
    document = get_object_or_404(Document, public_id=public_id)
    queued = 0
    for delivery in document.deliveries.filter(state=Delivery.State.FAILED):
        try:
            requeue(user_of(request), delivery, request_id=request_id(request))
        except StateError:  # somebody else was quicker
            continue
        queued += 1
    if queued:
        text = ngettext(
            "%(number)s: the e-mail is on its way again.",
            "%(number)s: the e-mails are on their way again.",
            queued,
        )
        messages.success(request, text % {"number": document.reference})
    else:
        messages.info(request, _("No e-mail of this document has failed."))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)
    return redirect("broker:documents")
