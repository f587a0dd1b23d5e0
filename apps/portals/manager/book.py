"""The book a request is about, and what every page of the terminal shows around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.accounts.access import master_for_trading, masters_of
from apps.accounts.models import Master, Symbol, User
from apps.core.errors import NotFoundError
from tenants.door import current_broker


@dataclass(frozen=True, slots=True)
class Desk:
    """A book as its reader sees it; `can_trade` is false for an admin who oversees."""

    user: User
    broker: str
    master: Master
    can_trade: bool

    @property
    def book_id(self) -> UUID:
        return self.master.public_id

    def symbols(self) -> list[Symbol]:
        return list(Symbol.objects.filter(server_id=self.master.account.server_id).order_by("name"))


def desk_of(request: HttpRequest, book_id: UUID) -> Desk:
    """The desk of a book the user may see. Raises Http404 for any other."""
    user = cast(User, request.user)
    master = masters_of(user).filter(public_id=book_id).first()
    if master is None:
        raise Http404
    return Desk(user, current_broker(), master, master.manager_id == user.pk and master.is_active)


def trading_desk_of(request: HttpRequest, book_id: UUID) -> Desk:
    """The desk of a book the user may trade. Raises Http404 for any other."""
    user = cast(User, request.user)
    try:
        master = master_for_trading(user, book_id)
    except NotFoundError:
        raise Http404 from None
    return Desk(user, current_broker(), master, can_trade=True)


def nav(current: str = "") -> list[dict[str, Any]]:
    """The desk's main navigation (see templates/desk.html)."""
    return [
        {"label": _("Masters"), "url": reverse("manager:home"), "current": current == "masters"},
        {
            "label": _("Earnings"),
            "url": reverse("manager:earnings"),
            "current": current == "earnings",
        },
        {
            "label": _("Documents"),
            "url": reverse("manager:documents"),
            "current": current == "documents",
        },
    ]
