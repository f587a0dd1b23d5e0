"""Fee runs as posted: the list, one run with every charge, its CSV."""

from __future__ import annotations

from datetime import date
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.accounts.models import Master
from apps.billing.broker import broker_now
from apps.billing.models import FeePlan, FeeRun
from apps.billing.periods import month_before
from apps.billing.plan_words import Row, rows_of
from apps.billing.selectors.finance import charges_of_run, fees_by_run, run_totals, runs
from apps.billing.selectors.plans import PlanBook, open_changes, plans_of
from apps.portals.broker.charges import COLUMNS, cells, held_logins, posted_rows
from apps.portals.broker.forms import PeriodForm
from apps.portals.broker.page import STAFF, context
from apps.portals.csv_cells import table_response

PER_PAGE = 50


@require_safe
@require_role(*STAFF)
def fees(request: HttpRequest) -> HttpResponse:
    """GET /office/fees/: runs, the month to look at next, what each master charges."""
    broker = broker_now()
    zone, now = ZoneInfo(broker.time_zone), timezone.now()
    page = Paginator(runs(), PER_PAGE).get_page(request.GET.get("page"))
    sums = fees_by_run(run.pk for run in page)
    masters = list(Master.objects.select_related("manager").order_by("-is_active", "name"))
    book, today = plans_of(master.pk for master in masters), now.astimezone(zone).date()
    return render(
        request,
        "office/fees.html",
        context(
            request,
            "broker:fees",
            page=page,
            rows=[(run, sums.get(run.pk, [])) for run in page],
            form=PeriodForm(initial={"period": month_before(now, zone).key}),
            zone=broker.time_zone,
            masters=[(master, _plan(book, master, today)) for master in masters],
            waiting=list(open_changes()),
        ),
    )


def _plan(book: PlanBook, master: Master, today: date) -> tuple[FeePlan, list[Row]] | None:
    version = book.at(master.pk, today)
    return (version.plan, rows_of(version.fees)) if version is not None else None


@require_safe
@require_role(*STAFF)
def run(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET a run: totals beside the ledger's, and every charge. Asks again while it is posting."""
    found = get_object_or_404(FeeRun, public_id=public_id)
    page = Paginator(charges_of_run(found), PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "office/fee_run.html",
        context(
            request,
            "broker:fees",
            run=found,
            is_month="/" not in found.key,
            held=held_logins(found.held),
            totals=run_totals(found),
            page=page,
            rows=posted_rows(page.object_list),
        ),
    )


@require_safe
@require_role(*STAFF)
def run_csv(request: HttpRequest, public_id: UUID) -> HttpResponseBase:
    """GET every charge of the run."""
    found = get_object_or_404(FeeRun, public_id=public_id)
    rows = posted_rows(charges_of_run(found))
    return table_response(request, f"fees-{found.key.replace('/', '-')}", COLUMNS, map(cells, rows))
