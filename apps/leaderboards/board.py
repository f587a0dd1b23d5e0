"""Computing the board (one service) and reading it (one selector)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, QuerySet
from django.forms.models import model_to_dict
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, TradingAccount, User
from apps.allocation.models import Block
from apps.core.errors import InputError
from apps.core.money import digits_of
from apps.engine.equity import frame_of, latest_equity
from apps.leaderboards.history import block_results, book_history
from apps.leaderboards.models import LeaderboardRow, TrackRecord, WidgetSettings
from apps.leaderboards.performance import (
    PastFlow,
    PastRecord,
    PastTrade,
    Performance,
    composite_returns,
    of_book,
    of_records,
)
from apps.leaderboards.ranking import Entry, ranked
from apps.leaderboards.rates import rates_to
from tenants.door import current_broker

# Fewer followers than this and the assets under management are one person's balance.
MIN_SUBSCRIBERS_SHOWN = 3
FOLLOWING = (Link.Status.ACTIVE, Link.Status.PAUSED, Link.Status.CLOSE_ONLY)


class Followers(NamedTuple):
    subscribers: int
    aum_minor: int | None


def refresh_board(base_currency: str, now: datetime | None = None) -> int:
    """Compute all rows of the open broker and replace the old ones; how many there are.

    One row per public, active master and source that has at least one closed trade. Two refreshes
    at once wait for each other.
    """
    now = now or timezone.now()
    currencies = TradingAccount.objects.values_list("currency", flat=True).distinct()
    rates = rates_to(base_currency, currencies, current_broker())
    masters = {
        master.pk: master
        for master in Master.objects.filter(is_public=True, is_active=True).order_by("pk")
    }
    entries = [entry for master in masters.values() for entry in _entries(master, rates, now)]
    followers = _followers(list(masters.values()), rates, base_currency)
    rows = [
        _row(entry, rank, followers.get(entry.master_id), base_currency, now)
        for rank, entry in enumerate(ranked(entries), start=1)
    ]
    with transaction.atomic():
        widget_settings()
        WidgetSettings.objects.select_for_update().get(pk=1)
        LeaderboardRow.objects.all().delete()
        LeaderboardRow.objects.bulk_create(rows)
    return len(rows)


def board(limit: int = 50) -> QuerySet[LeaderboardRow]:
    """Rows of masters that are still public and active, best first."""
    return (
        LeaderboardRow.objects.select_related("master")
        .filter(master__is_public=True, master__is_active=True)
        .order_by("rank")[:limit]
    )


def widget_settings() -> WidgetSettings:
    """The broker's one row of settings, made on first use."""
    settings, _ = WidgetSettings.objects.get_or_create(pk=1)
    return settings


def _entries(master: Master, rates: Mapping[str, float], now: datetime) -> list[Entry]:
    found = []
    live = _live(master, rates, now)
    if live is not None:
        found.append(Entry(master.pk, master.public_id, True, live))
    imported = _imported(master)
    if imported is not None:
        found.append(Entry(master.pk, master.public_id, False, imported))
    return found


def _live(master: Master, rates: Mapping[str, float], now: datetime) -> Performance | None:
    closed = Block.objects.filter(book_id=master.public_id, state=Block.State.CLOSED)
    if not closed.exists():
        return None
    history = book_history(master, rates, now, _current(master))
    if history is None:
        return None
    returns = composite_returns(history.equity, history.inflow, history.outflow)
    return of_book(returns, block_results(master, rates), history.since, history.until)


def _current(master: Master) -> dict[int, int]:
    """Equity by account of the engine's last frame; empty when there is none."""
    frame = frame_of(current_broker(), master.public_id)
    if frame is None:
        return {}
    accounts, equity = frame.vector("account_ids").tolist(), frame.vector("equity").tolist()
    return dict(zip(accounts, equity, strict=True))


def _imported(master: Master) -> Performance | None:
    records = (
        TrackRecord.objects.filter(master=master)
        .prefetch_related("trades", "flows")
        .order_by("printed_at", "pk")
    )
    try:
        return of_records([_past(record) for record in records])
    except InputError:  # a trade on no balance: no gain is defined, so there is no row
        return None


def _past(record: TrackRecord) -> PastRecord:
    return PastRecord(
        opening_balance=record.opening_balance,
        trades=[
            PastTrade(trade.ticket, trade.opened_at, trade.closed_at, trade.net)
            for trade in record.trades.all()
            if trade.state == "closed" and trade.closed_at is not None
        ],
        flows=[
            PastFlow(flow.at, flow.amount) for flow in record.flows.all() if flow.kind == "balance"
        ],
    )


def _followers(
    masters: Sequence[Master], rates: Mapping[str, float], base: str
) -> dict[int, Followers]:
    """By master: people who follow it, and the equity of their accounts in `base` minor units.

    The equity is None when it is one person's business, or a currency has no rate.
    """
    links = Link.objects.filter(master__in=masters, status__in=FOLLOWING)
    people = dict(
        links.values_list("master").annotate(n=Count("account__owner", distinct=True)).order_by()
    )
    totals: dict[int, float | None] = {}
    by_book = {master.public_id: master.pk for master in masters}
    following = links.values_list("account_id", flat=True)
    for one in latest_equity(current_broker(), list(by_book), following):
        master_id, rate = by_book[one.book_id], rates.get(one.currency)
        so_far = totals.get(master_id, 0.0)
        scale = 10 ** (digits_of(base) - digits_of(one.currency))
        known = rate is not None and so_far is not None
        totals[master_id] = so_far + one.equity_minor * rate * scale if known else None  # type: ignore[operator]
    return {
        master_id: Followers(
            number,
            round(total)
            if number >= MIN_SUBSCRIBERS_SHOWN and (total := totals.get(master_id)) is not None
            else None,
        )
        for master_id, number in people.items()
    }


def _row(
    entry: Entry, rank: int, followers: Followers | None, base_currency: str, now: datetime
) -> LeaderboardRow:
    performance = entry.performance
    return LeaderboardRow(
        master_id=entry.master_id,
        source=LeaderboardRow.Source.LIVE if entry.is_live else LeaderboardRow.Source.IMPORTED,
        rank=rank,
        gain=performance.gain,
        max_drawdown=performance.max_drawdown,
        profit_factor=performance.profit_factor,
        win_rate=performance.win_rate,
        trades=performance.trades,
        since=performance.since,
        until=performance.until,
        aum_minor=followers.aum_minor if followers else None,
        aum_currency=base_currency,
        subscribers=followers.subscribers if followers else 0,
        sparkline=performance.sparkline,
        as_of=now,
    )


def save_widget_settings(
    actor: User | None, values: Mapping[str, object], *, request_id: str = ""
) -> WidgetSettings:
    """Change the settings and their version, audited. Raises ValidationError on a wrong origin."""
    with transaction.atomic():
        widget_settings()
        row = WidgetSettings.objects.select_for_update().get(pk=1)
        before = model_to_dict(row)
        for name, value in values.items():
            setattr(row, name, value)
        row.full_clean(validate_unique=False)
        row.version += 1
        row.save()
        audit(
            actor, "widget.settings", "widget:leaderboard",
            before=before, after=model_to_dict(row), request_id=request_id,
        )  # fmt: skip
    return row
