"""What an account held at a moment: balance, equity, bonus credit, fees charged and not taken."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from apps.billing.arrays import array
from apps.billing.compute import Mark

# Equity at a moment: the last recorded point that tells clearly what it holds, moved by the cash
# that came or went since. A point is stamped with a whole second and holds what happened within
# about one second of it, so a point next to a deal or a flow of its account is passed over. No
# point yet: the balance it joined with, and what was realised since.
_POINTS = """
SELECT coalesce(p.at, w.since), coalesce(p.balance_minor, s.opening_balance_minor, 0),
    coalesce(p.equity_minor, coalesce(s.opening_balance_minor, 0) + d.sum),
    f.sum, d.sum
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
LEFT JOIN allocation_accountstate s ON s.account_id = w.account_id AND p.at IS NULL
CROSS JOIN LATERAL (
    SELECT coalesce(sum(f.amount_minor), 0)::bigint AS sum FROM allocation_cashflow f
    WHERE f.account_id = w.account_id AND f.at > coalesce(p.at, w.since)
      AND (f.at < w.moment OR (f.at = w.moment AND NOT w.strict))) f
CROSS JOIN LATERAL (
    SELECT coalesce(sum(d.pnl_minor), 0)::bigint AS sum FROM allocation_deal d
    WHERE d.account_id = w.account_id AND d.at > coalesce(p.at, w.since)
      AND (d.at < w.moment OR (d.at = w.moment AND NOT w.strict))) d
ORDER BY w.no
"""

# What is owed and not taken, as moves: charged, reversed, taken (a fee's flow is negative), given
# back. All before the first moment asked for is one sum.
_OWED = """
WITH wanted AS (
    SELECT w.account_id, w.since, l.id AS link_id
    FROM unnest(%s::bigint[], %s::timestamptz[]) AS w(account_id, since)
    JOIN accounts_link l ON l.account_id = w.account_id
), charges AS (
    SELECT w.account_id, w.since, c.id, c.window_to, c.amount_minor
    FROM wanted w JOIN billing_feecharge c ON c.link_id = w.link_id
    WHERE c.amount_minor > 0 AND c.kind <> 'rebate'
), moves AS (
    SELECT account_id, since, window_to AS at, amount_minor AS amount FROM charges
    UNION ALL
    SELECT c.account_id, c.since, r.at, -r.amount_minor
    FROM charges c JOIN billing_feereversal r ON r.charge_id = c.id
    UNION ALL
    SELECT c.account_id, c.since, f.at, f.amount_minor
    FROM charges c JOIN billing_feecollection k ON k.charge_id = c.id
    JOIN allocation_cashflow f ON f.command_id = k.command_id
)
SELECT account_id, greatest(at, since), sum(amount)::bigint FROM moves
GROUP BY 1, 2 HAVING sum(amount) <> 0 ORDER BY 1, 2
"""

_CREDITS = """
SELECT account_id, at, amount_minor FROM allocation_cashflow
WHERE account_id = ANY(%s::bigint[]) AND kind = 'credit' ORDER BY account_id, at
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """An account at a moment; strict: just before it. since: when it joined the book."""

    account_id: int
    since: datetime
    moment: datetime
    strict: bool = False


class _Sums:
    """Amounts by account and time, summed up to any moment."""

    def __init__(self, rows: Sequence[tuple[int, datetime, int]]) -> None:
        self._at: defaultdict[int, list[datetime]] = defaultdict(list)
        self._sum: defaultdict[int, list[int]] = defaultdict(lambda: [0])
        for account, at, amount in rows:
            self._at[account].append(at)
            self._sum[account].append(self._sum[account][-1] + amount)

    def until(self, account: int, moment: datetime, *, strict: bool = False) -> int:
        times = self._at.get(account)
        if times is None:
            return 0
        return self._sum[account][(bisect_left if strict else bisect_right)(times, moment)]


def marks(asks: Sequence[Ask]) -> list[Mark]:
    """The account of each ask as it stood, in their order."""
    if not asks:
        return []
    first: dict[int, datetime] = {}
    for ask in asks:
        if ask.account_id not in first or ask.moment < first[ask.account_id]:
            first[ask.account_id] = ask.moment
    with connection.cursor() as cursor:
        cursor.execute(
            _POINTS,
            [
                array(ask.account_id for ask in asks),
                array(ask.since for ask in asks),
                array(ask.moment for ask in asks),
                array(ask.strict for ask in asks),
            ],
        )
        points = cursor.fetchall()
        cursor.execute(_OWED, [array(first), array(first.values())])
        owed = _Sums(cursor.fetchall())
        cursor.execute(_CREDITS, [array(first)])
        credit = _Sums(cursor.fetchall())
    return [
        Mark(
            at,
            balance + cash + realised,
            equity + cash,
            credit.until(ask.account_id, ask.moment, strict=ask.strict),
            owed.until(ask.account_id, ask.moment),
        )
        for ask, (at, balance, equity, cash, realised) in zip(asks, points, strict=True)
    ]
