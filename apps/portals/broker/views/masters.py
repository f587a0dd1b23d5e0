"""Masters and the accounts that follow them."""

from __future__ import annotations

import uuid
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from apps.accounts.access import require_role
from apps.accounts.models import Link, Master
from apps.core.errors import ProrataError
from apps.portals.broker.forms import LinkForm
from apps.portals.broker.linking import link_account, set_public
from apps.portals.broker.overview import master_lines
from apps.portals.broker.page import ADMIN, STAFF, context, request_id, show_error, user_of
from tenants.door import current_broker

PER_PAGE = 50


@require_safe
@require_role(*STAFF)
def masters(request: HttpRequest) -> HttpResponse:
    """GET /office/masters/."""
    lines = master_lines(current_broker())
    return render(request, "office/masters.html", context(request, "broker:masters", lines=lines))


@require_http_methods(["GET", "HEAD"])
@require_role(*STAFF)
def master(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """GET a master and its links."""
    found = get_object_or_404(Master.objects.select_related("account"), public_id=public_id)
    return _master_page(request, found, LinkForm(master=found))


@require_POST
@require_role(*ADMIN)
def link(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST: an account joins the master."""
    found = get_object_or_404(
        Master.objects.select_related("account__server"), public_id=public_id, is_active=True
    )
    form = LinkForm(request.POST, master=found)
    if form.is_valid():
        try:
            made = link_account(current_broker(), found, user_of(request), **form.cleaned_data)
        except ProrataError as error:
            show_error(form, error)
            if error.status not in (503, 504):  # an unknown outcome is settled by the same id
                fresh = request.POST.copy()
                fresh["command_id"] = str(uuid.uuid4())
                form.data = fresh
            return _master_page(request, found, form, status=error.status)
        messages.success(
            request, _("Account %(login)s follows now.") % {"login": made.account.login}
        )
        return redirect("broker:master", public_id=public_id)
    return _master_page(request, found, form, status=400)


@require_POST
@require_role(*ADMIN)
def publish(request: HttpRequest, public_id: UUID) -> HttpResponse:
    """POST public=1 or 0: may it appear on leaderboards."""
    found = get_object_or_404(Master, public_id=public_id)
    set_public(
        user_of(request), found, request.POST.get("public") == "1", request_id=request_id(request)
    )
    return redirect("broker:master", public_id=public_id)


def _master_page(
    request: HttpRequest, found: Master, form: LinkForm, status: int = 200
) -> HttpResponse:
    links = (
        Link.objects.filter(master=found)
        .select_related("account", "account__owner")
        .order_by("status", "-joined_at", "pk")
    )
    return render(
        request,
        "office/master.html",
        context(
            request,
            "broker:masters",
            master=found,
            form=form,
            page=Paginator(links, PER_PAGE).get_page(request.GET.get("page")),
            record=found.track_records.order_by("-pk").first(),
        ),
        status=status,
    )
