"""Whether the ledger, the charges, their shares and the money that moved say the same."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connection

_CHECKS = {
    # name: rows that are wrong, each (what, expected, found)
    "every entry balances in each currency": """
        SELECT e.key || ' ' || l.currency, 0, sum(l.amount_minor)
        FROM billing_entry e JOIN billing_line l ON l.entry_id = e.id
        GROUP BY e.key, l.currency HAVING sum(l.amount_minor) <> 0""",
    "the shares of a charge are the charge": """
        SELECT 'charge ' || c.public_id, c.amount_minor, coalesce(sum(s.amount_minor), 0)
        FROM billing_feecharge c LEFT JOIN billing_feeshare s ON s.charge_id = c.id
        GROUP BY c.id HAVING c.amount_minor <> coalesce(sum(s.amount_minor), 0)""",
    "fees charged are the debits of runs": """
        SELECT 'run ' || r.key || ' ' || coalesce(c.currency, l.currency),
               coalesce(c.total, 0), coalesce(l.total, 0)
        FROM billing_feerun r
        CROSS JOIN LATERAL (SELECT currency FROM billing_feecharge WHERE run_id = r.id
                            UNION SELECT l.currency FROM billing_line l JOIN billing_entry e
                            ON e.id = l.entry_id AND e.key LIKE 'run:' || r.public_id || ':%%') u
        LEFT JOIN LATERAL (SELECT currency, sum(amount_minor) AS total FROM billing_feecharge
                           WHERE run_id = r.id AND currency = u.currency GROUP BY currency) c
                           ON true
        LEFT JOIN LATERAL (SELECT l.currency, sum(l.amount_minor) AS total FROM billing_line l
                           JOIN billing_entry e ON e.id = l.entry_id
                           WHERE e.key LIKE 'run:' || r.public_id || ':%%' AND l.amount_minor > 0
                             AND l.currency = u.currency GROUP BY l.currency) l ON true
        WHERE coalesce(c.total, 0) <> coalesce(l.total, 0)""",
    "what managers and introducers are owed is their shares": """
        SELECT code || ' ' || currency, sum(expected), sum(found) FROM (
            SELECT 'payable:' || s.party || ':' || s.user_id AS code, c.currency,
                   s.amount_minor * (CASE WHEN r.id IS NULL THEN 1 ELSE 0 END) AS expected,
                   0 AS found
            FROM billing_feeshare s JOIN billing_feecharge c ON c.id = s.charge_id
            LEFT JOIN billing_feereversal r ON r.charge_id = c.id WHERE s.user_id IS NOT NULL
            UNION ALL
            SELECT a.code, l.currency, 0, -l.amount_minor FROM billing_line l
            JOIN billing_ledgeraccount a ON a.id = l.account_id
            JOIN billing_entry e ON e.id = l.entry_id
            WHERE a.code LIKE 'payable:%%' AND (e.key LIKE 'run:%%' OR e.key LIKE 'reversal:%%')
        ) x GROUP BY code, currency HAVING sum(expected) <> sum(found)""",
    "what is owed is what was charged and not collected": """
        SELECT code || ' ' || currency, sum(expected), sum(found) FROM (
            SELECT 'receivable:' || k.account_id AS code, c.currency,
                   CASE WHEN r.id IS NULL THEN c.amount_minor ELSE 0 END - c.collected_minor
                   AS expected, 0 AS found
            FROM billing_feecharge c JOIN accounts_link k ON k.id = c.link_id
            LEFT JOIN billing_feereversal r ON r.charge_id = c.id WHERE c.kind <> 'rebate'
            UNION ALL
            SELECT a.code, l.currency, 0, l.amount_minor FROM billing_line l
            JOIN billing_ledgeraccount a ON a.id = l.account_id WHERE a.code LIKE 'receivable:%%'
        ) x GROUP BY code, currency HAVING sum(expected) <> sum(found)""",
    "what was collected moved on the trading server": """
        SELECT 'collection ' || k.command_id,
               CASE k.direction WHEN 'fee' THEN -k.amount_minor ELSE k.amount_minor END,
               coalesce(f.amount_minor, 0)
        FROM billing_feecollection k
        LEFT JOIN allocation_cashflow f ON f.command_id = k.command_id
        WHERE (k.state = 'collected') <> (f.command_id IS NOT NULL) AND k.state <> 'collecting'
           OR f.amount_minor
              <> CASE k.direction WHEN 'fee' THEN -k.amount_minor ELSE k.amount_minor END""",
    "no window of a link was charged twice": """
        SELECT 'link ' || a.link_id || ' ' || a.kind || ' from ' || b.window_from, 0, 1
        FROM billing_feecharge a JOIN billing_feecharge b ON b.link_id = a.link_id
         AND b.kind = a.kind AND b.id <> a.id
         AND b.window_from >= a.window_from AND b.window_from < a.window_to
        WHERE a.kind IN ('performance', 'management', 'volume', 'rebate')""",
}
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule and one thing that breaks it. Minor units."""

    rule: str
    what: str
    expected: int
    found: int


def rules() -> list[str]:
    return list(_CHECKS)


def findings() -> list[Finding]:
    """What is wrong in the open schema, at most SHOWN of each rule; empty when the books agree."""
    made = []
    with connection.cursor() as cursor:
        for rule, query in _CHECKS.items():
            cursor.execute(query + " LIMIT %s", [SHOWN])
            made += [
                Finding(rule, str(what), int(expected), int(found))
                for what, expected, found in cursor.fetchall()
            ]
    return made
