"""Between periods: who withdrew or left is settled up to that moment, from the record alone.

A withdrawal crystallises the fee on what was gained (math.md §3), a leaver owes everything up to
leaving. Both are read from the projected journal; nothing is asked of the engine here.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import connection
from django.utils import timezone

from apps.accounts.models import Link
from apps.billing.broker import broker_now
from apps.billing.models import FeeRun
from apps.billing.periods import Period, period_at, until
from apps.billing.selectors.plans import plans_of
from apps.billing.selectors.spans import Asked, LinkRow, rows_of, spans
from apps.billing.services.runs import RunResult, post_run
from apps.core.fees.terms import Every

# The record of the moment itself is complete after that long; older events are a period run's.
SETTLED_AFTER = timedelta(seconds=60)
LOOKED_BACK = timedelta(days=100)

_LEFT = """
SELECT l.id, l.left_at FROM accounts_link l
WHERE l.left_at > %s AND l.left_at <= %s AND l.joined_at < l.left_at
  AND NOT EXISTS (SELECT 1 FROM billing_feecharge c
                  WHERE c.link_id = l.id AND c.window_to >= l.left_at)
"""

_WITHDREW = """
SELECT l.id, max(f.at) FROM allocation_cashflow f
JOIN accounts_link l ON l.account_id = f.account_id AND f.at > l.joined_at
  AND (l.left_at IS NULL OR f.at < l.left_at)
WHERE f.kind = 'withdrawal' AND f.at > %s AND f.at <= %s
  AND NOT EXISTS (SELECT 1 FROM billing_feecharge c WHERE c.link_id = l.id
                  AND c.kind = 'performance' AND c.window_to >= f.at)
GROUP BY l.id
"""


def settle_events(now: datetime | None = None) -> RunResult | None:
    """Charge who left or withdrew and was not settled up to then; None when there is nobody."""
    now = now or timezone.now()
    broker = broker_now()
    zone = ZoneInfo(broker.time_zone)
    ends = _events(now)
    rows = rows_of(Link.objects.filter(id__in=list(ends)).order_by("id"))
    ends = {row.id: ends[row.id] for row in rows if _concerns(row, ends[row.id], zone)}
    if not ends:
        return None
    moment = now.replace(microsecond=0)
    month = period_at(Every.MONTH, now.astimezone(zone).date(), zone)
    inside = moment > month.starts_at
    period = until(month, moment) if inside else Period(month.key + "/0", moment, moment)
    run, _ = FeeRun.objects.get_or_create(
        key=period.key,
        defaults={
            "kind": FeeRun.Kind.EVENTS,
            "starts_at": min(ends.values()),
            "ends_at": max(ends.values()),
        },
    )
    asked = Asked(max(ends.values()), zone, ends=ends)
    return post_run(run, period, asked, broker, None, now)


def _events(now: datetime) -> dict[int, datetime]:
    """Link id → the moment to settle to: of leaving, else of the last withdrawal."""
    bounds = [now - LOOKED_BACK, now - SETTLED_AFTER]
    found: dict[int, datetime] = {}
    with connection.cursor() as cursor:
        for query in (_WITHDREW, _LEFT):  # leaving comes last: it overrides
            cursor.execute(query, bounds)
            found.update(cursor.fetchall())
    return found


def _concerns(row: LinkRow, end: datetime, zone: ZoneInfo) -> bool:
    """Whether the plan settles anything at this moment."""
    found = spans([row], Asked(end, zone, ends={row.id: end}), plans_of([row.master_id]))
    if row.left_at is not None and row.left_at <= end:
        return bool(found)
    plans = [span.version.fees.performance for span in found]
    return any(
        plan is not None and plan.full_crystallisation and plan.lookback_periods is None
        for plan in plans
    )
