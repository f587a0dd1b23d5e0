"""What the manager earned of fees, and what the running periods would bring."""

from __future__ import annotations

from typing import cast
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.accounts.access import require_role
from apps.accounts.models import Master, Role, User
from apps.billing.broker import broker_now
from apps.billing.selectors.earnings import earned_by, forecast, shares_of
from apps.portals.manager.book import nav

PER_PAGE = 50


@require_safe
@require_role(Role.MANAGER)
def earnings(request: HttpRequest) -> HttpResponse:
    """GET: sums by currency, the forecast by master, every share. The manager's own alone."""
    user = cast(User, request.user)
    zone = ZoneInfo(broker_now().time_zone)
    masters = Master.objects.filter(manager=user, is_active=True).order_by("name")
    context = {
        "nav": nav("earnings"),
        "earned": earned_by(user),
        "forecast": forecast(masters, timezone.now(), zone),
        "page": Paginator(shares_of(user), PER_PAGE).get_page(request.GET.get("page")),
    }
    return render(request, "manager/earnings.html", context)
