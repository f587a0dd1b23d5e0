"""What a block's journal row costs to commit against one small row, and against a row a ticket.

10,000 sub-accounts: ids and lots as packed int64 are 80 kB in one row. The engine acknowledges
after that commit, so this ratio is the price of "durable before acknowledged".
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

import psycopg

NEEDS = ("postgres",)
ROUNDS = 200
ROW_BYTES = 80_000
TICKETS = 10_000


def run(*, quick: bool = False) -> dict[str, float]:
    """Median commit times as ratios; times are printed."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE journal (seq bigserial PRIMARY KEY, body bytea NOT NULL)")
        connection.execute("ALTER TABLE journal ALTER body SET STORAGE EXTERNAL")
        connection.execute("CREATE TABLE ticket (id bigint PRIMARY KEY, account bigint, lots int)")
        connection.commit()
        small = _insert_body(connection, os.urandom(64))
        journal = _insert_body(connection, os.urandom(ROW_BYTES))
        # Interleaved: what else the machine does at the time falls on both.
        times_s: tuple[list[float], list[float]] = ([], [])
        for _ in range(3 if quick else ROUNDS):
            for action, times in zip((small, journal), times_s, strict=True):
                times.append(_timed(connection, action))
        small_ms, journal_ms = (statistics.median(times) * 1000 for times in times_s)
        p99_ms = statistics.quantiles(times_s[1], n=100)[98] * 1000
        tickets_ms = 1000 * statistics.median(
            _timed(connection, _insert_tickets(connection, number * TICKETS)) for number in range(3)
        )
    print(f"one small row          {small_ms:8.2f} ms (median)")
    print(f"one 80 kB journal row  {journal_ms:8.2f} ms (p99 {p99_ms:.2f})")
    print(f"10,000 ticket rows     {tickets_ms:8.2f} ms (median of 3, executemany)")
    return {
        "journal_row_over_small_row": round(journal_ms / small_ms, 3),
        "ticket_rows_over_journal_row": round(tickets_ms / journal_ms, 3),
        "journal_row_p99_over_median": round(p99_ms / journal_ms, 3),
    }


def _timed(connection: psycopg.Connection, action: Callable[[], None]) -> float:
    started_s = time.perf_counter()
    action()
    connection.commit()
    return time.perf_counter() - started_s


def _insert_body(connection: psycopg.Connection, body: bytes) -> Callable[[], None]:
    def insert() -> None:
        connection.execute("INSERT INTO journal (body) VALUES (%b)", [body])

    return insert


def _insert_tickets(connection: psycopg.Connection, first_id: int) -> Callable[[], None]:
    rows = [(first_id + ordinal, ordinal, 1) for ordinal in range(TICKETS)]

    def insert() -> None:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO ticket VALUES (%s, %s, %s)", rows)

    return insert
