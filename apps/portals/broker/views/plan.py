"""What the broker pays the platform: contract, usage, invoices, the way to pay."""

from __future__ import annotations

import stripe
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import require_role
from apps.billing.broker import broker_now
from apps.portals.broker.page import ADMIN, context, user_of
from tenants.errors import TenantError
from tenants.revenue.checkout import checkout_url, portal_url
from tenants.revenue.gateway import is_configured
from tenants.revenue.selectors import contract_of, offered, sold
from tenants.revenue.sync import sync

PAYMENT_HOSTS = ["https://checkout.stripe.com", "https://billing.stripe.com"]


@require_safe
@require_role(*ADMIN)
def plan(request: HttpRequest) -> HttpResponse:
    """GET /office/plan/; `?paid=1` on the return from paying: then Stripe is asked at once."""
    contract = contract_of(broker_now())
    if request.GET.get("paid") and contract.subscription and contract.subscription.stripe_customer:
        try:
            sync(contract.subscription)
        except (stripe.StripeError, TenantError):
            messages.info(request, _("The payment has not been confirmed yet; it appears here."))
        return redirect("broker:plan")
    shown = {"contract": contract, "plans": offered(), "has_stripe": is_configured()}
    response = render(request, "office/plan.html", context(request, "broker:plan", **shown))
    if is_configured():  # a browser follows a form's redirect only to where forms may go
        response._csp_update = {"form-action": PAYMENT_HOSTS}  # type: ignore[attr-defined]
    return response


@require_POST
@require_role(*ADMIN)
def pay(request: HttpRequest) -> HttpResponse:
    """POST plan=CODE: to Stripe's checkout; portal=1: to its portal."""
    broker, back = broker_now(), request.build_absolute_uri("/office/plan/")
    try:
        if request.POST.get("portal"):
            return redirect(portal_url(broker, back))
        wanted = sold(request.POST.get("plan", ""))
        return redirect(checkout_url(broker, wanted, user_of(request).email, back))
    except TenantError as error:
        messages.error(request, f"{error.message} [{error.code}]")
    except stripe.StripeError:
        messages.error(request, _("The payment service did not answer. Nothing was charged."))
    return redirect("broker:plan")
