"""What a person reads of their fees."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Prefetch, QuerySet

from apps.accounts.models import Link, User
from apps.billing.compute import Charge, charge_for
from apps.billing.models import Delivery, Document, FeeCharge
from apps.billing.selectors.plans import plans_of, terms_of
from apps.billing.selectors.windows import windows


def charges_of(user: User) -> QuerySet[FeeCharge]:
    """The investor's own charges with their statements, the latest first."""
    return (
        FeeCharge.objects.filter(link__account__owner=user)
        .select_related("run", "link__account", "link__master", "document")
        .prefetch_related(
            Prefetch("document__deliveries", queryset=Delivery.objects.order_by("id"))
        )
        .order_by("-window_to", "-id")
    )


def documents_of(user: User) -> QuerySet[Document]:
    """The documents issued to the user."""
    return Document.objects.filter(owner=user)


def papers_of(user: User) -> QuerySet[Document]:
    """The user's documents other than fee statements, newest first."""
    return (
        documents_of(user)
        .exclude(kind=Document.Kind.FEE_STATEMENT)
        .select_related("run", "mirrors")
        .defer("data", "mirrors__data")
        .order_by("-issued_at", "-pk")
    )


def accruals(links: Sequence[Link], now: datetime, zone: ZoneInfo) -> dict[int, Charge]:
    """What would be charged if the period ended now, by link id. Nothing is written."""
    plans = plans_of({link.master_id for link in links})
    masters = {link.id: link.master_id for link in links}
    due = {}
    for window in windows(links, now):
        day = window.starts_at.astimezone(zone).date()
        plan = plans.at(masters[window.link_id], day)
        if plan is not None:
            due[window.link_id] = charge_for(window, terms_of(plan))
    return due
