"""The platform's host: Stripe's webhook, and the staff's pages over contracts."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import stripe
from allauth.core.ratelimit import consume_or_429
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from tenants.errors import TenantError
from tenants.models import Broker
from tenants.revenue import contracts
from tenants.revenue.forms import DayForm, LoginForm, PaidForm, end_of
from tenants.revenue.gateway import is_configured
from tenants.revenue.models import StaffMember
from tenants.revenue.selectors import brokers, contract_of, trail_of
from tenants.revenue.staff import authenticate, log_in, log_out, staff_only
from tenants.revenue.webhooks import receive

# What the page says after a change: tone and text by code.
OUTCOMES = {
    "saved": ("ok", _lazy("Saved.")),
    "form_invalid": ("bad", _lazy("Nothing was changed: a field is missing or wrong.")),
    "paid_until_past": ("bad", _lazy("It is paid up to a day that is still to come.")),
    "extended_to_past": ("bad", _lazy("More time ends on a day that is still to come.")),
    "trial_too_short": ("bad", _lazy("A trial lasts a day at least.")),
    "invoice_taken": ("bad", _lazy("There is an invoice of that number already.")),
    "not_manual": ("bad", _lazy("This broker pays through Stripe.")),
}
LIMIT = {"staff_login": "10/m/ip"}


@csrf_exempt
@require_POST
def stripe_webhook(request: HttpRequest) -> HttpResponse:
    """POST /billing/stripe. 400 for what Stripe did not sign; 503 has Stripe send it again."""
    try:
        outcome = receive(request.body, request.headers.get("Stripe-Signature", ""))
    except TenantError as error:
        return JsonResponse({"code": error.code}, status=HTTPStatus.BAD_REQUEST)
    except stripe.StripeError:
        return JsonResponse({"code": "stripe_unreachable"}, status=HTTPStatus.SERVICE_UNAVAILABLE)
    return JsonResponse({"outcome": outcome})


@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """GET, POST /staff/login."""
    form = LoginForm(request.POST or None)
    if request.method == "POST":
        refused: HttpResponse | None = consume_or_429(request, config=LIMIT, action="staff_login")
        if refused is not None:
            return refused
        if form.is_valid():
            member = authenticate(**form.cleaned_data)
            if member is not None:
                response = redirect("staff:contracts")
                log_in(response, member)
                return response
            form.add_error(None, _("The e-mail address or the password is wrong."))
    status = 400 if form.is_bound else 200
    return render(request, "staff/login.html", {"form": form}, status=status)


@require_POST
def logout(request: HttpRequest) -> HttpResponse:
    response = redirect("staff:login")
    log_out(response)
    return response


@require_safe
@staff_only
def contract_list(request: HttpRequest, member: StaffMember) -> HttpResponse:
    """GET /staff/: every broker's contract."""
    shown = {"rows": brokers(), "member": member, "has_stripe": is_configured()}
    return render(request, "staff/contracts.html", shown)


@require_safe
@staff_only
def contract(request: HttpRequest, member: StaffMember, slug: str) -> HttpResponse:
    """GET /staff/<slug>."""
    broker = _broker(slug)
    shown = {
        "contract": contract_of(broker),
        "trail": trail_of(broker),
        "member": member,
        "paid": PaidForm(prefix="paid", initial={"currency": broker.base_currency}),
        "more": DayForm(prefix="more"),
        "outcome": OUTCOMES.get(request.GET.get("outcome", "")),
    }
    return render(request, "staff/contract.html", shown)


@require_POST
@staff_only
def paid(request: HttpRequest, member: StaffMember, slug: str) -> HttpResponse:
    """POST: paid by hand up to a day."""
    form = PaidForm(request.POST, prefix="paid")
    if form.is_valid():
        values = form.cleaned_data
        return _done(
            slug,
            lambda broker: contracts.mark_paid(
                broker, end_of(values["until"]), member.email, plan=values["plan"],
                invoice=form.invoice(),
            ),
        )  # fmt: skip
    return _back(slug, "form_invalid")


@require_POST
@staff_only
def extend(request: HttpRequest, member: StaffMember, slug: str) -> HttpResponse:
    """POST: more time; a trial for who has no contract yet."""
    form = DayForm(request.POST, prefix="more")
    if not form.is_valid():
        return _back(slug, "form_invalid")
    until = end_of(form.cleaned_data["until"])

    def change(broker: Broker) -> Any:
        if contract_of(broker).subscription is None:
            days = (until - timezone.now()).days + 1
            return contracts.start_trial(broker, days, member.email)
        return contracts.extend(broker, until, member.email)

    return _done(slug, change)


def _done(slug: str, change: Callable[[Broker], Any]) -> HttpResponse:
    """Apply `change` to the broker; back to its page with what came of it."""
    try:
        change(_broker(slug))
    except TenantError as error:
        return _back(slug, error.code)
    return _back(slug, "saved")


def _back(slug: str, outcome: str) -> HttpResponse:
    response = redirect("staff:contract", slug)
    response["Location"] += f"?outcome={outcome}"
    return response


def _broker(slug: str) -> Broker:
    known = Broker.objects.exclude(status__in=[Broker.Status.PLATFORM, Broker.Status.TEMPLATE])
    found: Broker = get_object_or_404(known, schema_name=slug)
    return found
