"""What every page of the portal shares: who asks, where, the navigation."""

from __future__ import annotations

from typing import Any, cast
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.models import User
from tenants.door import current_broker
from tenants.models import Broker


def investor(request: HttpRequest) -> User:
    """The user; views are behind require_role."""
    return cast(User, request.user)


def slug() -> str:
    return current_broker()


def zone(request: HttpRequest) -> ZoneInfo:
    """The broker's time zone: periods begin and end by it."""
    broker = cast(Broker, request.tenant)  # type: ignore[attr-defined]
    return ZoneInfo(broker.time_zone)


def page(current: str, **context: Any) -> dict[str, Any]:
    """A template's context with the navigation, `current` marked."""
    places = [
        ("overview", _("Portfolio")),
        ("history", _("History")),
        ("fees", _("Fees and documents")),
    ]
    nav = [
        {"url": reverse(f"investor:{name}"), "label": label, "current": name == current}
        for name, label in places
    ]
    nav.append({"url": reverse("notices"), "label": _("Notices"), "current": False})
    return {"nav": nav, **context}
