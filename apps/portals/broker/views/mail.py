"""E-mail that did not arrive: which address, why, and once more."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import require_role
from apps.billing.models import Delivery, Document
from apps.billing.selectors.finance import troubled_mail
from apps.billing.services.mail import requeue
from apps.core.errors import StateError
from apps.portals.broker.page import STAFF, context, request_id, user_of

PER_PAGE = 50
GONE = (Delivery.State.FAILED, Delivery.State.BOUNCED)


@require_safe
@require_role(*STAFF)
def trouble(request: HttpRequest) -> HttpResponse:
    """GET /office/documents/mail."""
    page = Paginator(troubled_mail(), PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "office/mail.html", context(request, "broker:documents", page=page))


@require_POST
@require_role(*STAFF)
def again(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """POST: one message goes on its way again."""
    found = get_object_or_404(Delivery.objects.select_related("document", "run"), pk=delivery_id)
    name = found.document.reference if found.document else str(found.run)
    return _again(request, Delivery.objects.filter(pk=found.pk), name, "broker:mail")


@require_POST
@require_role(*STAFF)
def document_again(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST: what could not be delivered of this document goes on its way again."""
    document = get_object_or_404(Document, public_id=public_id)
    return _again(request, document.deliveries.all(), document.reference, "broker:documents")


def _again(
    request: HttpRequest, deliveries: QuerySet[Delivery], name: str, page: str
) -> HttpResponse:
    queued = 0
    for delivery in deliveries.filter(state__in=GONE):
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
        messages.success(request, text % {"number": name})
    else:
        messages.info(request, _("No e-mail of this document has failed."))
    back = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        return redirect(back)
    return redirect(page)
