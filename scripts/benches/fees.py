"""A month's fees of 10,000 links, beside one INSERT of the same rows, and one task a link.

Each account has a month of equity points, deals and some flows; the plan is 2 % a year and 20 %
of gains, shared by manager, introducer and broker; the days of equity are kept, as every night.
(a) is the whole run: reading, computing, writing charges, shares, marks, ledger, statements and
queued mail. (b) is one SQL statement that inserts the very rows from copies, under the same keys,
checks and triggers. (c) is a task a link: a message through the real queue, then the same services
for that link alone; timed for some, multiplied.
"""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from scripts.benches._book import BROKER, prepare

NEEDS = ("postgres", "redis")
LINKS = 10_000
TASKS, WARM = 150, 20
ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 12, 1, tzinfo=UTC)
TABLES = (
    "feecharge", "feeshare", "highwatermark", "ledgeraccount", "entry", "line", "document",
    "delivery",
)  # fmt: skip

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


def run() -> dict[str, float]:
    """Ratios; the times are printed."""
    prepare()
    from django.db import connection

    from apps.billing.periods import month
    from apps.billing.services.attending import accrue
    from apps.billing.services.runs import run_fees
    from tenants.door import broker_schema

    with broker_schema(BROKER):
        _fill()
        accrue(datetime(2026, 11, 1, 0, 10, tzinfo=UTC))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        links = _rows("SELECT id FROM accounts_link ORDER BY id LIMIT %s", [TASKS + WARM])
        _tasks([link for (link,) in links[:WARM]])  # so that plans and caches are a worker's
        each_s = _tasks([link for (link,) in links[WARM:]])
        began_s = time.perf_counter()
        result = run_fees(month("2026-10", ZONE), now=NOW)
        run_s = time.perf_counter() - began_s
        assert len(result.charges) == LINKS - len(links), len(result.charges)
        wrote, insert_s = _inserted()
    tasks_s = each_s * LINKS
    print(
        f"{LINKS:,} links: run {run_s:.2f} s ({wrote:,} rows), one INSERT {insert_s:.2f} s,"
        f" a task a link {each_s * 1000:.1f} ms, of all {tasks_s:.0f} s"
    )
    return {
        "run_time_over_insert_10k": round(run_s / insert_s, 3),
        "tasks_time_over_run_10k": round(tasks_s / run_s, 1),
    }


def _fill() -> None:
    from django.db import connection

    from apps.accounts.models import Master, TradingAccount, TradingServer, User
    from apps.billing.services.plans import NewPlan, set_fee_plan
    from apps.core.fees.terms import FeeTerms, Management, Performance, Split

    manager = User.objects.create_user("manager@bench.example", None, roles=["manager"])
    ib = User.objects.create_user("partner@bench.example", None, roles=["investor"])
    server = TradingServer.objects.create(name="sim", kind="simulator", config={})
    account = TradingAccount.objects.create(
        server=server, login=1, kind="master", owner=manager, currency="USD"
    )
    master = Master.objects.create(account=account, manager=manager, name="Bench", rule={})
    with connection.cursor() as cursor:
        cursor.execute(_FILL.format(links=LINKS, server=server.pk, master=master.pk), [])
        cursor.execute(
            "INSERT INTO billing_introduction (person_id, introducer_id, created_at)"
            " SELECT id, %s, now() FROM accounts_user WHERE email LIKE 'i%%@bench.example'"
            " AND id <> %s",
            [ib.pk, ib.pk],
        )
    fees = FeeTerms(
        performance=Performance(rate=Decimal("0.2")),
        management=Management(rate=Decimal("0.02")),
        split=Split(manager=Decimal("0.7"), ib_levels=(Decimal("0.1"),)),
    )
    set_fee_plan(None, master, NewPlan(fees, datetime(2026, 1, 1, tzinfo=UTC).date()))


def _rows(query: str, parameters: list[Any] | None = None) -> list[Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        return cursor.fetchall()


def _tasks(links: list[int]) -> float:
    """Seconds a link: its message there and back through Redis, then the services for it alone."""
    from celery import current_app
    from kombu import Connection

    from apps.billing.broker import broker_now
    from apps.billing.models import FeeRun
    from apps.billing.periods import month
    from apps.billing.selectors.spans import Asked
    from apps.billing.services.runs import post_run

    october = month("2026-10", ZONE)
    with Connection(current_app.conf.broker_url) as broker:
        queue = broker.SimpleQueue(f"bench-{uuid.uuid4().hex}")
        began_s = time.perf_counter()
        for link in links:
            current_app.send_task(
                "bench", kwargs={"link": link}, queue=queue.queue.name, retry=False
            )
            queue.get(timeout=5).ack()
            run, _ = FeeRun.objects.get_or_create(
                key="2026-10/tasks",
                defaults={"starts_at": october.starts_at, "ends_at": october.ends_at},
            )
            asked = Asked(october.ends_at, ZONE, ends={link: october.ends_at})
            result = post_run(run, october, asked, broker_now(), None, NOW)
            assert len(result.charges) == 1
        took_s = time.perf_counter() - began_s
        queue.close()
    return took_s / len(links)


def _inserted() -> tuple[int, float]:
    """(rows, seconds) of one statement that writes what the run wrote."""
    from django.db import connection

    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"CREATE TABLE copy_{table} AS SELECT * FROM billing_{table}")
        cursor.execute("SET session_replication_role = replica")
        names = ", ".join(f"billing_{table}" for table in TABLES)
        cursor.execute(f"TRUNCATE {names} CASCADE")
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE")
        parts = ", ".join(
            f"i{no} AS (INSERT INTO billing_{table} SELECT * FROM copy_{table} RETURNING 1)"
            for no, table in enumerate(TABLES)
        )
        total = " + ".join(f"(SELECT count(*) FROM i{no})" for no in range(len(TABLES)))
        began_s = time.perf_counter()
        cursor.execute(f"WITH {parts} SELECT {total}")
        took_s = time.perf_counter() - began_s
        return cursor.fetchone()[0], took_s
