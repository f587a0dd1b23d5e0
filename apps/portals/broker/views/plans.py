"""What a master charges: all versions of its plan, and a new one."""

from __future__ import annotations

from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.accounts.access import require_role
from apps.accounts.models import Master
from apps.billing.selectors.plans import plans_of
from apps.billing.services.plans import set_fee_plan
from apps.billing.services.runs import broker_now
from apps.core.errors import ProrataError
from apps.portals.broker.forms import PlanForm
from apps.portals.broker.page import STAFF, context, request_id, show_error, user_of


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(*STAFF)
def plans(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET the versions; POST adds one."""
    master = get_object_or_404(Master.objects.select_related("manager"), public_id=public_id)
    form = PlanForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            set_fee_plan(user_of(request), master, form.new_plan(), request_id=request_id(request))
        except ProrataError as error:
            show_error(form, error)
        else:
            messages.success(request, _("The plan has a new version."))
            return redirect("broker:plans", public_id=public_id)
    book = plans_of([master.pk])
    today = timezone.now().astimezone(ZoneInfo(broker_now().time_zone)).date()
    return render(
        request,
        "office/plans.html",
        context(
            request,
            "broker:fees",
            master=master,
            form=form,
            versions=book.by_master.get(master.pk, []),
            in_force=book.at(master.pk, today),
            today=today,
        ),
        status=400 if form.is_bound and form.errors else 200,
    )
