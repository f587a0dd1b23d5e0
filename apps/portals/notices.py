"""One's own notices, whatever the role: what was stopped, closed, blocked and lifted."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from apps.accounts.models import User
from apps.accounts.notices import mark_read, notices_of
from apps.portals.home import FIRST_PAGE

PER_PAGE = 50


@require_safe
@login_required
def notices(request: HttpRequest) -> HttpResponse:
    """GET ?page=N: newest first. Opening the first page marks all as read."""
    assert isinstance(request.user, User)
    page = Paginator(notices_of(request.user), PER_PAGE).get_page(request.GET.get("page"))
    shown = list(page.object_list)
    if page.number == 1:
        mark_read(request.user, timezone.now())
    return render(
        request, "notices/list.html", {"page": page, "notices": shown, "nav": _nav(request.user)}
    )


def _nav(user: User) -> list[dict[str, Any]]:
    home = next((url for role, url in FIRST_PAGE.items() if user.has_role(role)), "/")
    return [
        {"url": home, "label": _("Overview"), "current": False},
        {"url": reverse("notices"), "label": _("Notices"), "current": True},
    ]
