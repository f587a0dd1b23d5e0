"""The own limits of one mandate: shown with everybody's, set, paused, lifted."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from apps.accounts.access import links_of, require_role
from apps.accounts.models import Link, Role
from apps.allocation.selectors.protection import limits_of, stop_in_force
from apps.core.errors import ProrataError
from apps.core.money import digits_of, from_minor
from apps.portals.investor.page import investor, page, slug
from apps.portals.investor.protection import lift, own_limits, protect, set_pause

PERCENT: dict[str, Any] = {
    "min_value": Decimal("0.01"),
    "max_value": Decimal("99.99"),
    "max_digits": 4,
    "decimal_places": 2,
    "required": False,
}


class LimitsForm(forms.Form):
    """Empty is no limit."""

    stop_equity = forms.DecimalField(
        label=gettext_lazy("Stop when equity falls to"),
        required=False,
        min_value=0,
        max_digits=16,
        decimal_places=2,
    )
    trailing_percent = forms.DecimalField(
        label=gettext_lazy("Stop when equity falls below its highest by, per cent"), **PERCENT
    )
    daily_loss_percent = forms.DecimalField(
        label=gettext_lazy("Stop when a day loses, per cent of the first balance"), **PERCENT
    )


@require_http_methods(["GET", "HEAD", "POST"])
@require_role(Role.INVESTOR)
def protection(request: HttpRequest, link_id: UUID) -> HttpResponse:
    """POST action: limits (with the form), pause, resume, lift; back here with what was done."""
    mine = links_of(investor(request)).exclude(status=Link.Status.INVITED)
    link = get_object_or_404(mine, public_id=link_id)
    limits = limits_of(link.master.public_id, "account", link.account_id)
    if request.method != "POST":
        return _shown(request, link, limits, LimitsForm(initial=_initial(link, limits)))
    form = LimitsForm(request.POST)
    action = request.POST.get("action", "limits")
    if action == "limits" and not form.is_valid():
        return _shown(request, link, limits, form, status=400)
    try:
        _act(request, link, action, form, limits.get("investor", {}))
    except ProrataError as error:
        form.add_error(None, f"{error.message} [{error.code}]")
        return _shown(request, link, limits, form, status=error.status)
    messages.success(request, _("Done. The page follows the record in a moment."))
    return redirect("investor:protection", link.public_id)


def _act(
    request: HttpRequest, link: Link, action: str, form: LimitsForm, before: dict[str, Any]
) -> None:
    actor = investor(request)
    match action:
        case "pause" | "resume":
            set_pause(actor, link, is_paused=action == "pause", broker=slug())
        case "lift":
            lift(actor, link, broker=slug())
        case _:
            wanted = own_limits(form.cleaned_data, link.account.currency, before)
            protect(actor, link, wanted, broker=slug())


def _initial(link: Link, limits: dict[str, dict[str, Any]]) -> dict[str, Any]:
    own = limits.get("investor", {})
    level = own.get("stop_equity_minor")
    return {
        "stop_equity": None
        if level is None
        else from_minor(level, digits_of(link.account.currency)),
        "trailing_percent": own.get("trailing_percent"),
        "daily_loss_percent": own.get("daily_loss_percent"),
    }


def _shown(
    request: HttpRequest,
    link: Link,
    limits: dict[str, dict[str, Any]],
    form: LimitsForm,
    *,
    status: int = 200,
) -> HttpResponse:
    book_id = link.master.public_id
    others = {**limits_of(book_id, "every_account"), **limits}
    others.pop("investor", None)
    context = page(
        "overview",
        link=link,
        form=form,
        others=others,
        stop=stop_in_force(book_id, link.account_id),
        book_stop=stop_in_force(book_id, None),
    )
    return render(request, "investor/protection.html", context, status=status)
