"""A period shown with every figure before it is posted, and the request to post it."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import require_role
from apps.billing.broker import broker_now
from apps.billing.models import FeeRun
from apps.billing.periods import period_of
from apps.billing.services.requests import request_run
from apps.billing.services.runs import run_fees
from apps.core.errors import InputError
from apps.portals.broker.charges import dry_rows, dry_totals, held_logins
from apps.portals.broker.page import STAFF, context, request_id, user_of

PER_PAGE = 50


@require_safe
@require_role(*STAFF)
def preview(request: HttpRequest) -> HttpResponse:
    """GET ?period=2026-10: what posting it now would charge. Writes nothing."""
    broker, now = broker_now(), timezone.now()
    try:
        period = period_of(request.GET.get("period", ""), ZoneInfo(broker.time_zone))
    except InputError as error:
        return _refused(request, error)
    result = run_fees(period, dry_run=True, now=now)
    page = Paginator(result.charges, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "office/fee_preview.html",
        context(
            request,
            "broker:fees",
            period=period,
            has_ended=period.ends_at <= now,
            run=FeeRun.objects.filter(key=period.key).first(),
            zone=broker.time_zone,
            held=held_logins(result.held),
            totals=dry_totals(result.charges),
            page=page,
            rows=dry_rows(list(page.object_list)),
            query=f"period={period.key}&",
        ),
    )


@require_POST
@require_role(*STAFF)
def post(request: HttpRequest) -> HttpResponse:
    """POST period=2026-10: a worker posts it; the run's page follows."""
    zone = ZoneInfo(broker_now().time_zone)
    try:
        period = period_of(request.POST.get("period", ""), zone)
        run = request_run(user_of(request), period, request_id=request_id(request))
    except InputError as error:
        return _refused(request, error)
    return redirect("broker:fee_run", public_id=run.public_id)


def _refused(request: HttpRequest, error: InputError) -> HttpResponse:
    messages.error(request, _("%(message)s [%(code)s]") % {
        "message": error.message, "code": error.code,
    })  # fmt: skip
    return redirect("broker:fees")
