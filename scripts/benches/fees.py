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
from typing import Any
from zoneinfo import ZoneInfo

from scripts.benches._book import BROKER, prepare
from scripts.benches._crowd import crowd

NEEDS = ("postgres", "redis")
LINKS = 10_000
TASKS, WARM = 150, 20
QUICK_LINKS, QUICK_TASKS = 200, 10
ZONE = ZoneInfo("UTC")
NOW = datetime(2026, 12, 1, tzinfo=UTC)
TABLES = (
    "feecharge", "feeshare", "highwatermark", "ledgeraccount", "entry", "line", "document",
    "delivery",
)  # fmt: skip


def run(*, quick: bool = False) -> dict[str, float]:
    """Ratios; the times are printed. `quick`: few links, for the shape alone."""
    prepare()
    count, tasks = (QUICK_LINKS, QUICK_TASKS) if quick else (LINKS, TASKS)
    from django.db import connection

    from apps.billing.periods import month
    from apps.billing.services.attending import accrue
    from apps.billing.services.runs import run_fees
    from tenants.door import broker_schema

    with broker_schema(BROKER):
        crowd(count)
        accrue(datetime(2026, 11, 1, 0, 10, tzinfo=UTC))
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
        links = _rows("SELECT id FROM accounts_link ORDER BY id LIMIT %s", [tasks + WARM])
        _tasks([link for (link,) in links[:WARM]])  # so that plans and caches are a worker's
        each_s = _tasks([link for (link,) in links[WARM:]])
        began_s = time.perf_counter()
        result = run_fees(month("2026-10", ZONE), now=NOW)
        run_s = time.perf_counter() - began_s
        assert len(result.charges) == count - len(links), len(result.charges)
        wrote, insert_s = _inserted()
    tasks_s = each_s * count
    print(
        f"{count:,} links: run {run_s:.2f} s ({wrote:,} rows), one INSERT {insert_s:.2f} s,"
        f" a task a link {each_s * 1000:.1f} ms, of all {tasks_s:.0f} s"
    )
    return {
        f"run_time_over_insert_{count}": round(run_s / insert_s, 3),
        f"tasks_time_over_run_{count}": round(tasks_s / run_s, 1),
    }


def _rows(query: str, parameters: list[Any] | None = None) -> list[Any]:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(query, parameters)
        found: list[Any] = cursor.fetchall()
        return found


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
            rows = f"SELECT * FROM billing_{table}"  # noqa: S608
            cursor.execute(f"CREATE TABLE copy_{table} AS {rows}")
        cursor.execute("SET session_replication_role = replica")
        names = ", ".join(f"billing_{table}" for table in TABLES)
        cursor.execute(f"TRUNCATE {names} CASCADE")
        cursor.execute("SET session_replication_role = origin")
        cursor.execute("ANALYZE")
        parts = ", ".join(
            f"i{no} AS (INSERT INTO billing_{table} TABLE copy_{table} RETURNING 1)"
            for no, table in enumerate(TABLES)
        )
        total = " + ".join(f"(SELECT count(*) FROM i{no})" for no in range(len(TABLES)))  # noqa: S608
        began_s = time.perf_counter()
        statement = f"WITH {parts} SELECT {total}"
        cursor.execute(statement)
        took_s = time.perf_counter() - began_s
        return cursor.fetchone()[0], took_s
