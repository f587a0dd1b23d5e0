"""A book's history as arrays, read from the projections: equity, money in and out, results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from django.db import connection

from apps.accounts.models import Link, Master
from apps.allocation.models import AccountState, CashFlow
from apps.core.money import digits_of
from apps.leaderboards.performance import Floats

MAX_PERIODS = 400
MIN_PERIOD_S = 60
EXTERNAL = (CashFlow.Kind.DEPOSIT, CashFlow.Kind.WITHDRAWAL, CashFlow.Kind.CREDIT)

_POINTS = """
SELECT DISTINCT ON (account_id, period) account_id,
       floor(extract(epoch FROM at - %(since)s) / %(length)s)::int AS period,
       equity_minor
  FROM allocation_equitypoint
 WHERE account_id = ANY(%(accounts)s) AND at >= %(since)s AND at <= %(until)s
 ORDER BY account_id, period, at DESC
"""
_RESULTS = """
SELECT ticket.block_id, account.currency, sum(ticket.realised_minor)
  FROM allocation_ticket AS ticket
  JOIN accounts_tradingaccount AS account ON account.id = ticket.account_id
 WHERE ticket.block_id IN
       (SELECT id FROM allocation_block WHERE book_id = %(book)s AND state = 'closed')
 GROUP BY ticket.block_id, account.currency
 ORDER BY ticket.block_id, account.currency
"""


@dataclass(frozen=True, slots=True)
class BookHistory:
    """float64[accounts, periods] in one currency at constant rates; see composite_returns."""

    equity: Floats
    inflow: Floats
    outflow: Floats
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class _Member:
    row: int
    rate: float  # minor units of the account → whole units of the base
    joined_at: datetime
    left_at: datetime | None
    joined: int  # period
    left: int | None
    opening_minor: int | None


def book_history(
    master: Master, rates: Mapping[str, float], now: datetime, current: Mapping[int, int]
) -> BookHistory | None:
    """The composite of all accounts that follow or followed `master`; None before the first.

    `current`: equity now in minor units by account, as far as the engine says it.

    One length of period for the whole history (≥ a minute, at most MAX_PERIODS of them). Every
    account is valued at the same, current rate through all periods, so that exchange rates are not
    taken for performance; accounts whose currency has no rate are left out.
    """
    links = list(
        Link.objects.filter(master=master, joined_at__isnull=False, joined_at__lte=now)
        .select_related("account")
        .order_by("joined_at", "pk")
    )
    # An account that left and came back counts from its return.
    latest = {link.account_id: link for link in links if link.account.currency in rates}
    links = list(latest.values())
    if not links:
        return None
    since = min(link.joined_at for link in links if link.joined_at)
    length_s = max(MIN_PERIOD_S, (now - since).total_seconds() / MAX_PERIODS)
    periods = int((now - since).total_seconds() // length_s) + 1

    def period(at: datetime) -> int:
        return min(int((at - since).total_seconds() // length_s), periods - 1)

    states = AccountState.objects.filter(book_id=master.public_id).in_bulk()
    members: dict[int, _Member] = {}
    for row, link in enumerate(links):
        assert link.joined_at is not None
        members[link.account_id] = _Member(
            row=row,
            rate=rates[link.account.currency] / 10 ** digits_of(link.account.currency),
            joined_at=link.joined_at,
            left_at=link.left_at,
            joined=period(link.joined_at),
            left=period(link.left_at) if link.left_at else None,
            opening_minor=state.opening_balance_minor
            if (state := states.get(link.account_id))
            else None,
        )
    equity = np.full((len(links), periods), np.nan)
    _mark(equity, members, since, now, length_s)
    for account_id, member in members.items():
        # The curve has a point a minute: what the engine says now is the last mark.
        if member.left_at is None and account_id in current:
            equity[member.row, -1] = current[account_id] * member.rate
    flows = np.zeros((len(links), periods))
    _add_flows(flows, members, since, now, period)
    inflow, outflow = np.maximum(flows, 0.0), np.maximum(-flows, 0.0)
    for member in members.values():
        _fill(equity[member.row], inflow[member.row], outflow[member.row], member)
    until = since + timedelta(seconds=length_s * periods)
    return BookHistory(equity, inflow, outflow, since, min(until, now))


def _mark(
    equity: Floats, members: Mapping[int, _Member], since: datetime, now: datetime, length_s: float
) -> None:
    """The last equity of each account and period that has one."""
    with connection.cursor() as cursor:
        cursor.execute(
            _POINTS,
            {"accounts": list(members), "since": since, "until": now, "length": length_s},
        )
        for account_id, at, minor in cursor.fetchall():
            member = members[account_id]
            equity[member.row, min(at, equity.shape[1] - 1)] = minor * member.rate


def _add_flows(
    flows: Floats,
    members: Mapping[int, _Member],
    since: datetime,
    now: datetime,
    period: Callable[[datetime], int],
) -> None:
    rows = CashFlow.objects.filter(
        account_id__in=list(members), at__gt=since, at__lte=now, kind__in=EXTERNAL
    ).values_list("account_id", "at", "amount_minor")
    for account_id, at, minor in rows.iterator():
        member = members[account_id]
        if at > member.joined_at and (member.left_at is None or at < member.left_at):
            flows[member.row, period(at)] += minor * member.rate


def _fill(equity: Floats, inflow: Floats, outflow: Floats, member: _Member) -> None:
    """Carry the last mark forward, book joining as money in and leaving as money out."""
    equity[: member.joined] = 0.0
    marks = np.flatnonzero(~np.isnan(equity[member.joined :])) + member.joined
    if member.opening_minor is not None:
        start = member.opening_minor * member.rate
        entry = member.joined
    elif marks.size:
        entry = int(marks[0])
        start = float(equity[entry])
    else:
        equity[:] = 0.0
        return
    equity[member.joined : entry] = 0.0
    inflow[:entry], outflow[:entry] = 0.0, 0.0
    inflow[entry] += start
    last = start
    for at in range(entry, equity.size):
        if np.isnan(equity[at]):
            equity[at] = last
        last = float(equity[at])
    if member.left is not None:
        leaving = max(member.left, entry)
        outflow[leaving] += float(equity[leaving])
        equity[leaving:] = 0.0
        inflow[leaving + 1 :], outflow[leaving + 1 :] = 0.0, 0.0


def block_results(master: Master, rates: Mapping[str, float]) -> list[float]:
    """Result of each closed block over all its tickets, in the base currency."""
    totals: dict[object, float] = {}
    with connection.cursor() as cursor:
        cursor.execute(_RESULTS, {"book": master.public_id})
        for block_id, currency, minor in cursor.fetchall():
            if currency in rates:
                amount = int(minor) * rates[currency] / 10 ** digits_of(currency)
                totals[block_id] = totals.get(block_id, 0.0) + amount
    return list(totals.values())
