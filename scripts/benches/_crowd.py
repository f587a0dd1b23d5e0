"""A crowd of investors behind one master, with a month of trading, written by a few statements.

Used by the bench of fees and by the test that kills a run over them. Inside an open schema.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_FILL = """
INSERT INTO accounts_user (password, public_id, email, full_name, roles, language, is_active,
                           date_joined)
SELECT '', gen_random_uuid(), 'i' || n || '@bench.example', 'Investor ' || n, '{{investor}}', 'en',
       true, now() FROM generate_series(1, {links}) n;
INSERT INTO accounts_tradingaccount (public_id, server_id, login, kind, owner_id, currency,
                                     leverage, created_at)
SELECT gen_random_uuid(), {server}, 500000 + row_number() OVER (ORDER BY id), 'sub', id, 'USD',
       100, now() FROM accounts_user WHERE email LIKE 'i%%@bench.example';
INSERT INTO accounts_link (public_id, master_id, account_id, status, params, joined_at, created_at)
SELECT gen_random_uuid(), {master}, id, 'active', '{{}}', '2026-10-01', now()
FROM accounts_tradingaccount WHERE kind = 'sub';
INSERT INTO allocation_accountstate (account_id, book_id, currency, opening_balance_minor,
    balance_minor, equity_minor, floating_minor, margin_minor, marked_at, seq)
SELECT account_id, gen_random_uuid(), 'USD', 1000000, 1000000, 1000000, 0, 0, now(), 1
FROM accounts_link;
INSERT INTO allocation_deal (ticket_id, block_id, account_id, entry, steps, price, pnl_minor, at,
                             seq)
SELECT account_id * 100 + d, gen_random_uuid(), account_id, 'out', 10, 1.1,
       (account_id * 7919 + d * 104729) %% 9000 - 3500,
       '2026-10-01 12:00'::timestamptz + d * interval '1 day', d
FROM accounts_link, generate_series(0, 19) d;
INSERT INTO allocation_cashflow (command_id, account_id, kind, amount_minor, comment, at, seq)
SELECT gen_random_uuid(), account_id, 'deposit', 50000, '', '2026-10-15 09:00', 1
FROM accounts_link WHERE account_id %% 20 = 0;
INSERT INTO allocation_equitypoint (account_id, at, balance_minor, equity_minor)
SELECT l.account_id, p.at, b.balance, b.balance + (l.account_id %% 701) - 350
FROM accounts_link l
CROSS JOIN (SELECT '2026-10-01 06:00'::timestamptz + n * interval '12 hours' AS at
            FROM generate_series(0, 61) n) p
CROSS JOIN LATERAL (
    SELECT 1000000 + coalesce((SELECT sum(pnl_minor) FROM allocation_deal d
                               WHERE d.account_id = l.account_id AND d.at < p.at), 0)
         + coalesce((SELECT sum(amount_minor) FROM allocation_cashflow f
                     WHERE f.account_id = l.account_id AND f.at < p.at), 0) AS balance) b;
ANALYZE;
"""


def crowd(links: int) -> Any:
    """The master: `links` accounts followed it through October 2026; 2 % a year, 20 % of gains."""
    from django.db import connection

    from apps.accounts.models import Master, TradingAccount, TradingServer, User
    from apps.billing.services.plans import NewPlan, set_fee_plan
    from apps.core.fees.terms import FeeTerms, Management, Performance, Split

    manager = User.objects.create_user("manager@bench.example", None, roles=["manager"])
    partner = User.objects.create_user("partner@bench.example", None, roles=["investor"])
    server = TradingServer.objects.create(name="crowd", kind="simulator", config={})
    account = TradingAccount.objects.create(
        server=server, login=1, kind="master", owner=manager, currency="USD"
    )
    master = Master.objects.create(account=account, manager=manager, name="Crowd", rule={})
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(links=links, server=server.pk, master=master.pk), [])
        cursor.execute(
            "INSERT INTO billing_introduction (person_id, introducer_id, created_at)"
            " SELECT id, %s, now() FROM accounts_user WHERE email LIKE 'i%%@bench.example'",
            [partner.pk],
        )
    fees = FeeTerms(
        performance=Performance(rate=Decimal("0.2")),
        management=Management(rate=Decimal("0.02")),
        split=Split(manager=Decimal("0.7"), ib_levels=(Decimal("0.1"),)),
    )
    set_fee_plan(None, master, NewPlan(fees, datetime(2026, 1, 1, tzinfo=UTC).date()))
    return master
