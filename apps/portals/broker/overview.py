"""What the dashboard and the list of masters show, from the latest frames and the record."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from apps.accounts.models import Link, Master
from apps.engine.equity import Equity, frame_of, latest_equity

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
    """`oldest_at_ms`: when the oldest figure in it was so; `is_live`: all come from the engine."""

    currency: str
    accounts: int
    equity_minor: int
    oldest_at_ms: int
    is_live: bool


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
    frame = frame_of(broker, master.public_id)
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


def equity_by_currency(broker: str) -> list[CurrencyTotal]:
    """The latest equity of all accounts that follow a master, by currency, the largest first."""
    links = Link.objects.filter(status__in=FOLLOWING)
    books = list(links.values_list("master__public_id", flat=True).distinct())
    found: dict[str, list[Equity]] = {}
    for one in latest_equity(broker, books, links.values_list("account_id", flat=True)):
        found.setdefault(one.currency, []).append(one)
    totals = [
        CurrencyTotal(
            currency,
            len(ones),
            sum(one.equity_minor for one in ones),
            min(one.at_ms for one in ones),
            all(one.is_live for one in ones),
        )
        for currency, ones in found.items()
    ]
    return sorted(totals, key=lambda total: -total.equity_minor)


def investors_count() -> int:
    """People with at least one account that follows."""
    links = Link.objects.filter(status__in=FOLLOWING)
    return links.values("account__owner").distinct().count()
