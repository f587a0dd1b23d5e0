"""What happened to links in their windows: a handful of set-based queries for any number of them.

Reads the record (allocation) and earlier charges; computes nothing that is owed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import connection
from django.db.models import Q

from apps.accounts.models import Link
from apps.allocation.models import AccountState, CashFlow
from apps.billing.compute import CashMove, Mark, Window
from apps.billing.models import FeeCharge, HighWaterMark

_MOVES = (CashFlow.Kind.DEPOSIT, CashFlow.Kind.WITHDRAWAL)

# Equity at a moment: the last recorded point that tells clearly what it holds, moved by the cash
# that came or went since. A point is stamped with a whole second and holds what happened within
# about one second of it, so a point next to a deal or a flow of its account is passed over.
_POINTS = """
SELECT p.at, p.balance_minor, p.equity_minor,
    coalesce((SELECT sum(f.amount_minor) FROM allocation_cashflow f
        WHERE f.account_id = w.account_id AND f.at > coalesce(p.at, w.since)
          AND (f.at < w.moment OR (f.at = w.moment AND NOT w.strict))), 0)::bigint,
    coalesce((SELECT sum(d.pnl_minor) FROM allocation_deal d
        WHERE d.account_id = w.account_id AND d.at > coalesce(p.at, w.since)
          AND (d.at < w.moment OR (d.at = w.moment AND NOT w.strict))), 0)::bigint
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::boolean[])
     WITH ORDINALITY AS w(account_id, since, moment, strict, no)
LEFT JOIN LATERAL (
    SELECT at, balance_minor, equity_minor FROM allocation_equitypoint e
    WHERE e.account_id = w.account_id AND e.at >= w.since
      AND (e.at < w.moment OR (e.at = w.moment AND NOT w.strict))
      AND NOT EXISTS (SELECT 1 FROM allocation_deal d WHERE d.account_id = e.account_id
          AND d.at BETWEEN e.at - interval '1 s' AND e.at + interval '1 s')
      AND NOT EXISTS (SELECT 1 FROM allocation_cashflow f WHERE f.account_id = e.account_id
          AND f.at BETWEEN e.at - interval '1 s' AND e.at + interval '1 s')
    ORDER BY e.at DESC LIMIT 1
) p ON true
ORDER BY w.no
"""

_REALISED = """
SELECT w.no, coalesce(sum(d.pnl_minor), 0)
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
     WITH ORDINALITY AS w(account_id, since, until, no)
LEFT JOIN allocation_deal d
  ON d.account_id = w.account_id AND d.at > w.since AND d.at <= w.until
GROUP BY w.no ORDER BY w.no
"""


@dataclass(frozen=True, slots=True)
class _Span:
    link: Link
    starts_at: datetime
    ends_at: datetime
    joined_at: datetime


def windows(links: Sequence[Link], until: datetime) -> list[Window]:
    """One window per link that has anything to settle up to `until`, in the links' order.

    A window starts where the link's last charge ended, else when it joined; it ends at `until` or
    when the link left.
    """
    spans = _spans(links, until)
    states = {
        state.account_id: state
        for state in AccountState.objects.filter(
            account_id__in=[span.link.account_id for span in spans]
        )
    }
    flows = _flows(spans)
    hwms = _hwms(spans)
    fees = _FeesDue(spans)
    asks: list[tuple[_Span, datetime, bool]] = []
    for span in spans:
        asks.append((span, span.starts_at, False))
        asks += [(span, flow.at, True) for flow in flows[span.link.id] if flow.kind in _MOVES]
        asks.append((span, span.ends_at, False))
    marks = iter(_marks(asks, states, fees))
    realised = _realised(spans)
    made = []
    for span, result in zip(spans, realised, strict=True):
        opening = next(marks)
        moves = tuple(
            CashMove(flow.at, flow.amount_minor, next(marks))
            for flow in flows[span.link.id]
            if flow.kind in _MOVES
        )
        made.append(
            Window(
                link_id=span.link.id,
                account_id=span.link.account_id,
                currency=span.link.account.currency,
                starts_at=span.starts_at,
                ends_at=span.ends_at,
                opening=opening,
                closing=next(marks),
                moves=moves,
                realised_minor=result,
                hwm=hwms.get((span.link.account_id, span.link.master_id)),
            )
        )
    return made


def _spans(links: Sequence[Link], until: datetime) -> list[_Span]:
    settled = dict(
        FeeCharge.objects.filter(link__in=links)
        .order_by("link_id", "-window_to")
        .distinct("link_id")
        .values_list("link_id", "window_to")
    )
    spans = []
    for link in links:
        if link.joined_at is None:
            continue
        start = max(settled.get(link.id, link.joined_at), link.joined_at)
        end = min(until, link.left_at) if link.left_at else until
        if start < end:
            spans.append(_Span(link, start, end, link.joined_at))
    return spans


def _flows(spans: Iterable[_Span]) -> defaultdict[int, list[CashFlow]]:
    """Cash flows inside each window, by link, in order of time."""
    by_account: defaultdict[int, list[_Span]] = defaultdict(list)
    for span in spans:
        by_account[span.link.account_id].append(span)
    found: defaultdict[int, list[CashFlow]] = defaultdict(list)
    wanted = CashFlow.objects.filter(account_id__in=list(by_account)).order_by("at", "seq")
    for flow in wanted:
        for span in by_account[flow.account_id]:
            if span.starts_at < flow.at <= span.ends_at:
                found[span.link.id].append(flow)
    return found


def _hwms(spans: Iterable[_Span]) -> dict[tuple[int, int], Decimal]:
    """The current mark by (account, master): a link made anew keeps the old one's."""
    accounts = [span.link.account_id for span in spans]
    rows = (
        HighWaterMark.objects.filter(link__account_id__in=accounts)
        .order_by("link__account_id", "link__master_id", "-id")
        .distinct("link__account_id", "link__master_id")
        .values_list("link__account_id", "link__master_id", "after")
    )
    return {(account, master): after for account, master, after in rows}


class _FeesDue:
    """Fees charged earlier and not yet taken, as of any moment."""

    def __init__(self, spans: Iterable[_Span]) -> None:
        accounts = [span.link.account_id for span in spans]
        self._charged: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
        self._taken: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
        charges = FeeCharge.objects.filter(link__account_id__in=accounts, amount_minor__gt=0)
        for account, at, amount in charges.values_list(
            "link__account_id", "window_to", "amount_minor"
        ):
            self._charged[account].append((at, amount))
        commands = charges.filter(collections__isnull=False).values("collections__command_id")
        for account, at, amount in CashFlow.objects.filter(
            account_id__in=accounts, command_id__in=commands
        ).values_list("account_id", "at", "amount_minor"):
            self._taken[account].append((at, -amount))

    def at(self, account_id: int, moment: datetime) -> int:
        charged = sum(amount for at, amount in self._charged[account_id] if at <= moment)
        return charged - sum(amount for at, amount in self._taken[account_id] if at <= moment)


def _marks(
    asks: Sequence[tuple[_Span, datetime, bool]],
    openings: dict[int, AccountState],
    fees: _FeesDue,
) -> list[Mark]:
    with connection.cursor() as cursor:
        cursor.execute(
            _POINTS,
            [
                [span.link.account_id for span, _, _ in asks],
                [span.joined_at for span, _, _ in asks],
                [moment for _, moment, _ in asks],
                [strict for _, _, strict in asks],
            ],
        )
        points = cursor.fetchall()
    credits_ = _credits([span for span, _, _ in asks])
    marks = []
    for (span, moment, strict), (at, balance, equity, cash, realised) in zip(
        asks, points, strict=True
    ):
        account = span.link.account_id
        if at is None:  # no point yet: the balance it joined with, and what was realised since
            state = openings.get(account)
            balance = state.opening_balance_minor if state else 0
            at, equity = span.joined_at, balance + realised
        credit = sum(
            amount
            for when, amount in credits_[account]
            if when < moment or (when == moment and not strict)
        )
        marks.append(
            Mark(
                at,
                balance + cash + realised,
                equity + cash,
                credit_minor=credit,
                unpaid_fees_minor=fees.at(account, moment),
            )
        )
    return marks


def _credits(spans: Iterable[_Span]) -> defaultdict[int, list[tuple[datetime, int]]]:
    found: defaultdict[int, list[tuple[datetime, int]]] = defaultdict(list)
    accounts = {span.link.account_id for span in spans}
    rows = CashFlow.objects.filter(Q(account_id__in=accounts), kind=CashFlow.Kind.CREDIT)
    for account, at, amount in rows.values_list("account_id", "at", "amount_minor"):
        found[account].append((at, amount))
    return found


def _realised(spans: Sequence[_Span]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            _REALISED,
            [
                [span.link.account_id for span in spans],
                [span.starts_at for span in spans],
                [span.ends_at for span in spans],
            ],
        )
        return [int(total) for _, total in cursor.fetchall()]
