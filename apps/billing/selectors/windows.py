"""What happened to links in their windows: a handful of set-based queries for any number of them.

Reads the record (allocation) and earlier charges; computes nothing that is owed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from apps.allocation.models import CashFlow
from apps.billing.arrays import array
from apps.billing.compute import CashMove, Kind, Turnover, Window
from apps.billing.models import FeeCollection
from apps.billing.selectors.carried import carried_losses, earlier_charges, marks_before
from apps.billing.selectors.daily import Day, daily_equity
from apps.billing.selectors.introductions import chains
from apps.billing.selectors.marking import Ask, marks
from apps.billing.selectors.spans import Asked, Span
from apps.billing.selectors.turnover import conversion_rates, turnovers
from apps.core.money import digits_of

_MOVES = (CashFlow.Kind.DEPOSIT, CashFlow.Kind.WITHDRAWAL)

_REALISED = """
SELECT coalesce(sum(d.pnl_minor), 0)::bigint
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
     WITH ORDINALITY AS w(account_id, since, until, no)
LEFT JOIN allocation_deal d
  ON d.account_id = w.account_id AND d.at > w.since AND d.at <= w.until
GROUP BY w.no ORDER BY w.no
"""

_FLOWS = """
SELECT w.no, f.at, f.amount_minor
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[])
     WITH ORDINALITY AS w(account_id, since, until, no)
JOIN allocation_cashflow f
  ON f.account_id = w.account_id AND f.at > w.since AND f.at <= w.until
WHERE f.kind = ANY(%s)
  AND NOT EXISTS (SELECT 1 FROM billing_feecollection r
                  WHERE r.command_id = f.command_id AND r.direction = %s)
ORDER BY w.no, f.at, f.seq
"""

Flow = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Found:
    """A window, the span it is of, and the days of equity that are not kept yet."""

    span: Span
    window: Window
    new_days: tuple[Day, ...] = ()


def windows(spans: Sequence[Span], asked: Asked) -> list[Found]:
    """One window per span, in their order."""
    if not spans:
        return []
    flows = _flows(spans)
    asks: list[Ask] = []
    for no, span in enumerate(spans):
        link = span.link
        asks.append(Ask(link.account_id, link.joined_at, span.starts_at))
        asks += [Ask(link.account_id, link.joined_at, at, strict=True) for at, _ in flows[no]]
        asks.append(Ask(link.account_id, link.joined_at, span.ends_at))
    seen = iter(marks(asks))
    realised = _realised(spans)
    days = daily_equity(spans, asked.zone)
    traded = turnovers([span for span in spans if Kind.VOLUME in span.kinds])
    rates = conversion_rates(spans)
    before = marks_before(spans)
    losses = carried_losses(spans)
    earlier = earlier_charges(spans, asked)
    introducers = chains(span.link.owner_id for span in spans if span.link.owner_id is not None)
    made = []
    for no, span in enumerate(spans):
        link = span.link
        opening = next(seen)
        moves = tuple(
            CashMove(at, amount, next(seen), at.astimezone(asked.zone).date())
            for at, amount in flows[no]
        )
        kept = days.get(no)
        window = Window(
            link_id=link.id,
            account_id=link.account_id,
            currency=link.currency,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            opening=opening,
            closing=next(seen),
            moves=moves,
            realised_minor=realised[no],
            hwm=before.get((link.account_id, link.master_id)),
            kinds=span.kinds,
            digits=digits_of(link.currency),
            first_day=kept.first if kept else None,
            daily_minor=kept.equity_minor if kept else (),
            turnover=traded.get((link.account_id, span.starts_at), Turnover()),
            rate=rates[no],
            carried=losses.get(link.id, ()),
            held_days=(span.ends_at - link.joined_at).days,
            minimum_part=_minimum_part(span, asked),
            earlier_minor=earlier.get(link.id, 0),
            introducers=introducers.get(link.owner_id or 0, ()),
        )
        made.append(Found(span, window, kept.new if kept else ()))
    return made


def _minimum_part(span: Span, asked: Asked) -> tuple[int, int]:
    if Kind.MINIMUM not in span.kinds or asked.since is None:
        return 0, 1
    first, end = asked.since.astimezone(asked.zone), span.ends_at.astimezone(asked.zone)
    since = max(asked.since, span.link.joined_at).astimezone(asked.zone)
    whole = (end.date() - first.date()).days
    return max((end.date() - since.date()).days, 0), max(whole, 1)


def _bounds(spans: Sequence[Span]) -> list[str]:
    return [
        array(span.link.account_id for span in spans),
        array(span.starts_at for span in spans),
        array(span.ends_at for span in spans),
    ]


def _flows(spans: Sequence[Span]) -> defaultdict[int, list[Flow]]:
    """Deposits and withdrawals inside each span, by its place, in order of time.

    A refund of a fee is booked as a deposit on the server; it is none.
    """
    found: defaultdict[int, list[Flow]] = defaultdict(list)
    with connection.cursor() as cursor:
        refund = FeeCollection.Direction.REFUND
        cursor.execute(_FLOWS, [*_bounds(spans), list(_MOVES), refund])
        for no, at, amount in cursor.fetchall():
            found[no - 1].append((at, amount))
    return found


def _realised(spans: Sequence[Span]) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_REALISED, _bounds(spans))
        return [total for (total,) in cursor.fetchall()]
