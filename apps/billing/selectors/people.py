"""What a person reads of their fees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db.models import Prefetch, QuerySet

from apps.accounts.models import Link, User
from apps.billing.compute import Charge
from apps.billing.models import Delivery, Document, FeeCharge, PlanChange, PlanNotice
from apps.billing.selectors.settling import settle
from apps.billing.selectors.spans import Asked, rows_of

_FEE_FIELDS = (
    "fee_minor", "management_minor", "volume_minor", "joining_minor", "exit_minor",
    "minimum_minor", "fees_minor", "manager_minor", "ib_minor", "broker_minor",
)  # fmt: skip


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


def changes_for(user: User, today: date) -> list[PlanChange]:
    """Approved changes of the user's fees that are still to come, the next one first."""
    notices = (
        PlanNotice.objects.filter(user=user, change__effective_from__gt=today)
        .select_related("change__master", "change__link__master")
        .order_by("change__effective_from", "pk")
    )
    return [notice.change for notice in notices]


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
    """What would be charged if every period ended now, by link id. Nothing is written."""
    rows = rows_of(Link.objects.filter(pk__in=[link.pk for link in links]).order_by("id"))
    due: dict[int, Charge] = {}
    for charge in settle(rows, Asked(now, zone)).charges:
        earlier = due.get(charge.window.link_id)
        due[charge.window.link_id] = together(earlier, charge) if earlier else charge
    return due


def together(first: Charge, second: Charge) -> Charge:
    """Two windows of one link, settled by different periods, shown as one sum of fees.

    The figures of equity are those of the performance fee's window.
    """
    lead, other = (first, second) if first.steps else (second, first)
    added = {
        name: getattr(lead.figures, name) + getattr(other.figures, name) for name in _FEE_FIELDS
    }
    figures = replace(lead.figures, **added)
    figures = replace(figures, closing_minor=figures.equity_minor - figures.fees_minor)
    return replace(lead, figures=figures, items=lead.items + other.items)
