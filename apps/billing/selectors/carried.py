"""What earlier charges left behind for a window: marks, losses, what the period cost already."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import orjson
from django.db import connection

from apps.billing.arrays import array
from apps.billing.compute import Kind
from apps.billing.selectors.spans import Asked, Span

# The mark of an account with a master: a link made anew keeps the old one's.
_MARKS = """
SELECT w.account_id, w.master_id, m.after
FROM (SELECT DISTINCT * FROM unnest(%s::bigint[], %s::bigint[]) AS w(account_id, master_id)) w
CROSS JOIN LATERAL (
    SELECT h.id, h.after FROM accounts_link l
    CROSS JOIN LATERAL (SELECT id, after FROM billing_highwatermark
                        WHERE link_id = l.id ORDER BY id DESC LIMIT 1) h
    WHERE l.account_id = w.account_id AND l.master_id = w.master_id
    ORDER BY h.id DESC LIMIT 1) m
"""

_LOSSES = """
SELECT l, (SELECT c.figures -> 'carried' FROM billing_feecharge c
           WHERE c.link_id = l AND c.kind = 'performance' ORDER BY c.window_to DESC LIMIT 1)
FROM unnest(%s::bigint[]) l
"""

_EARLIER = """
SELECT link_id, sum(amount_minor)::bigint FROM billing_feecharge
WHERE link_id = ANY(%s::bigint[]) AND window_to > %s AND kind <> 'rebate' AND state <> 'reversed'
GROUP BY link_id
"""


def marks_before(spans: Sequence[Span]) -> dict[tuple[int, int], Decimal]:
    """The current mark by (account, master)."""
    with connection.cursor() as cursor:
        links = [span.link for span in spans]
        cursor.execute(
            _MARKS, [array(one.account_id for one in links), array(one.master_id for one in links)]
        )
        return {(account, master): after for account, master, after in cursor.fetchall()}


def carried_losses(spans: Sequence[Span]) -> dict[int, tuple[tuple[int, Decimal], ...]]:
    """Losses that a look-back still counts, by link: (age in periods, minor units)."""
    links = [
        span.link.id
        for span in spans
        if Kind.PERFORMANCE in span.kinds
        and span.version.fees.performance is not None
        and span.version.fees.performance.lookback_periods is not None
    ]
    if not links:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_LOSSES, [array(links)])
        rows = cursor.fetchall()
    return {
        link: tuple((int(age), Decimal(loss)) for age, loss in orjson.loads(carried))
        for link, carried in rows
        if carried
    }


def earlier_charges(spans: Sequence[Span], asked: Asked) -> dict[int, int]:
    """What links with a minimum were charged in this period before, by link."""
    links = [span.link.id for span in spans if Kind.MINIMUM in span.kinds]
    if not links or asked.since is None:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_EARLIER, [array(links), asked.since])
        return dict(cursor.fetchall())
