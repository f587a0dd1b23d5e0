"""Net equity at the end of each day of a span: what was kept, and what is still to be kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db import connection

from apps.billing.arrays import array
from apps.billing.compute import Kind
from apps.billing.selectors.marking import Ask, marks
from apps.billing.selectors.spans import Span

Day = tuple[int, date, int]  # link id, day, equity in minor units

_KEPT = """
SELECT w.no, d.days, d.equity
FROM unnest(%s::bigint[], %s::date[], %s::date[]) WITH ORDINALITY AS w(link_id, first, after, no)
CROSS JOIN LATERAL (
    SELECT array_agg(e.day - w.first ORDER BY e.day) AS days,
           array_agg(e.equity_minor ORDER BY e.day) AS equity
    FROM billing_dailyequity e
    WHERE e.link_id = w.link_id AND e.day >= w.first AND e.day < w.after) d
WHERE d.days IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive days from `first` on; `new`: those of them that nobody kept yet."""

    first: date
    equity_minor: tuple[int, ...]
    new: tuple[Day, ...]


def daily_equity(spans: Sequence[Span], zone: ZoneInfo) -> dict[int, Days]:
    """By the span's place, for spans with a management fee. Days in [attach, detach)."""
    wanted = [
        (no, span, _day(span.starts_at, zone), _day(span.ends_at, zone))
        for no, span in enumerate(spans)
        if Kind.MANAGEMENT in span.kinds
    ]
    if not wanted:
        return {}
    kept: dict[int, tuple[list[int], list[int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(
            _KEPT,
            [
                array(span.link.id for _, span, _, _ in wanted),
                array(first for _, _, first, _ in wanted),
                array(after for _, _, _, after in wanted),
            ],
        )
        for place, days, equity in cursor.fetchall():
            kept[wanted[place - 1][0]] = (days, equity)
    missing: list[tuple[int, int]] = []
    asks: list[Ask] = []
    for no, span, first, after in wanted:
        count = (after - first).days
        days, _ = kept.get(no, ([], []))
        if len(days) == count:
            continue
        for offset in sorted(set(range(count)).difference(days)):
            end = datetime.combine(first + timedelta(days=offset + 1), time.min, zone)
            missing.append((no, offset))
            asks.append(Ask(span.link.account_id, span.link.joined_at, end))
    return _together(
        wanted, kept, dict(zip(missing, (m.net_minor for m in marks(asks)), strict=True))
    )


def _together(
    wanted: Sequence[tuple[int, Span, date, date]],
    kept: dict[int, tuple[list[int], list[int]]],
    computed: dict[tuple[int, int], int],
) -> dict[int, Days]:
    by_place: dict[int, list[tuple[int, int]]] = {}
    for (no, offset), equity in computed.items():
        by_place.setdefault(no, []).append((offset, equity))
    made = {}
    for no, span, first, _ in wanted:
        days, equities = kept.get(no, ([], []))
        fresh = by_place.get(no)
        if not fresh:
            made[no] = Days(first, tuple(equities), ())
            continue
        whole = sorted([*zip(days, equities, strict=True), *fresh])
        new = tuple((span.link.id, first + timedelta(days=at), equity) for at, equity in fresh)
        made[no] = Days(first, tuple(equity for _, equity in whole), new)
    return made


def _day(moment: datetime, zone: ZoneInfo) -> date:
    return moment.astimezone(zone).date()
