"""Masters and the accounts that follow them."""

from __future__ import annotations

import uuid
from decimal import Decimal
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
from apps.engine.client import JoinQuote
from apps.portals.broker.forms import LinkForm
from apps.portals.broker.linking import (
    TAKES_OVER,
    account_to_link,
    link_account,
    quote_link,
    set_public,
)
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
    """POST: an account joins the master; where it takes over open positions, quoted first."""
    found = get_object_or_404(
        Master.objects.select_related("account__server"), public_id=public_id, is_active=True
    )
    form = LinkForm(request.POST, master=found)
    if not form.is_valid():
        return _master_page(request, found, form, status=400)
    wanted = dict(form.cleaned_data)
    mode, token = wanted.pop("mode"), wanted.pop("token")
    broker = current_broker()
    try:
        account = account_to_link(found, user_of(request), **wanted)
        if mode in TAKES_OVER and not token:
            quote = quote_link(broker, found, account, mode)
            asked = _asked_again(request, found, account=str(account.pk), token=quote.token)
            return _master_page(request, found, asked, quote=quote)
        made = link_account(
            broker,
            found,
            user_of(request),
            account,
            command_id=wanted["command_id"],
            mode=mode,
            token=token,
        )
    except ProrataError as error:
        show_error(form, error)
        if error.status not in (503, 504):  # an unknown outcome is settled by the same id
            again = _asked_again(request, found, command_id=str(uuid.uuid4()), token="")
            form.data = again.data
        return _master_page(request, found, form, status=error.status)
    said = _("Account %(login)s follows now.")
    if mode == "when_flat":
        said = _("Account %(login)s takes part from the first moment at which nothing is open.")
    messages.success(request, said % {"login": made.account.login})
    return redirect("broker:master", public_id=public_id)


def _asked_again(request: HttpRequest, found: Master, **changed: str) -> LinkForm:
    """The form as it was sent, with what has changed."""
    data = request.POST.copy()
    for name, value in changed.items():
        data[name] = value
    return LinkForm(data, master=found)


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
    request: HttpRequest,
    found: Master,
    form: LinkForm,
    status: int = 200,
    quote: JoinQuote | None = None,
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
            quote=quote,
            quote_rows=_quote_rows(quote),
            page=Paginator(links, PER_PAGE).get_page(request.GET.get("page")),
            record=found.track_records.order_by("-pk").first(),
        ),
        status=status,
    )


def _quote_rows(quote: JoinQuote | None) -> list[dict[str, object]]:
    return [
        {
            "row": row,
            "price": Decimal(row.price_points).scaleb(-row.digits),
            "parent_price": Decimal(row.parent_points).scaleb(-row.digits),
        }
        for row in (quote.rows if quote is not None else [])
    ]
