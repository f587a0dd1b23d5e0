"""What the dashboard and the list of masters show, from the latest frames and the record."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Max, Q, Sum

from apps.accounts.models import Link, Master
from apps.allocation.models import AccountState
from apps.core.errors import UnavailableError
from apps.engine import client
from apps.engine.messages import Frame

FOLLOWING = (Link.Status.ACTIVE, Link.Status.PAUSED, Link.Status.CLOSE_ONLY)


@dataclass(frozen=True, slots=True)
class MasterLine:
    """A master with its figures; money in minor units of `currency`; None where nothing is known.

    `at_ms`: when the figures were so. `is_live`: they come from the running engine.
    """

    master: Master
    investors: int
    accounts: int
    currency: str
    aum_minor: int | None
    floating_minor: int | None
    open_blocks: int | None
    at_ms: int | None
    is_live: bool


@dataclass(frozen=True, slots=True)
class CurrencyTotal:
    currency: str
    accounts: int
    equity_minor: int
    marked_at_ms: int


def master_lines(broker: str) -> list[MasterLine]:
    """All masters of the open broker, active ones first."""
    masters = (
        Master.objects.select_related("account", "manager")
        .annotate(
            accounts=Count("links", filter=Q(links__status__in=FOLLOWING), distinct=True),
            investors=Count(
                "links__account__owner", filter=Q(links__status__in=FOLLOWING), distinct=True
            ),
        )
        .order_by("-is_active", "name", "pk")
    )
    return [_line(broker, master) for master in masters]


def _line(broker: str, master: Master) -> MasterLine:
    try:
        frame: Frame | None = client.latest_frame(broker, master.public_id)
    except UnavailableError:
        frame = None
    return MasterLine(
        master=master,
        investors=getattr(master, "investors", 0),
        accounts=getattr(master, "accounts", 0),
        currency=frame.book_currency if frame else master.account.currency,
        aum_minor=frame.book_aum_minor if frame else None,
        floating_minor=frame.book_floating_minor if frame else None,
        open_blocks=len(frame.blocks) if frame else None,
        at_ms=frame.at_ms if frame else None,
        is_live=frame is not None,
    )


def equity_by_currency() -> list[CurrencyTotal]:
    """The record's equity of all accounts that follow a master, by currency."""
    following = Link.objects.filter(status__in=FOLLOWING).values("account_id")
    rows = (
        AccountState.objects.filter(account_id__in=following)
        .values("currency")
        .annotate(n=Count("account_id"), equity=Sum("equity_minor"), at=Max("marked_at"))
        .order_by("-equity")
    )
    return [
        CurrencyTotal(
            row["currency"], row["n"], int(row["equity"]), int(row["at"].timestamp() * 1000)
        )
        for row in rows
    ]


def investors_count() -> int:
    """People with at least one account that follows."""
    links = Link.objects.filter(status__in=FOLLOWING)
    return links.values("account__owner").distinct().count()
