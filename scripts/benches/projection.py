"""Journal to rows for people: tickets per second beside raw COPY of the very rows it wrote.

The rows are read back with COPY TO (FORMAT binary) and given to COPY FROM on tables with the same
columns, keys and indexes: the floor of writing them at all. An open writes an allocation, a ticket
and a deal for each account; a close writes a deal and changes the ticket and the account.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
import uuid
from typing import Any

import psycopg

from scripts.benches._book import BROKER, Book, open_pool, prepare

NEEDS = ("postgres",)
ROUNDS = {1_000: 12, 10_000: 6, 100_000: 2}
QUICK_ROUNDS = {100: 1}
TABLES = ("allocation", "ticket", "deal", "accountstate")
OPENED = {"allocation": "block_id", "ticket": "block_id", "deal": "block_id"}
CLOSED = {"deal": "block_id", "ticket": "block_id", "accountstate": "book_id"}


def run(*, quick: bool = False) -> dict[str, float]:
    """Ratios; tickets per second are printed."""
    prepare()
    results: dict[str, float] = {}
    per_ticket: dict[int, float] = {}
    for accounts, rounds in (QUICK_ROUNDS if quick else ROUNDS).items():
        found = asyncio.run(_measure(accounts, rounds))
        name = f"{accounts // 1000}k"
        for what in ("open", "close"):
            mine, raw = found[what], found[f"{what}_copy"]
            print(
                f"{accounts:>7,} accounts, {what:>5}: {accounts / mine:9,.0f} tickets/s,"
                f" raw COPY {accounts / raw:9,.0f}/s"
            )
            results[f"{what}_rate_over_copy_{name}"] = round(raw / mine, 3)
        per_ticket[accounts] = found["open"] / accounts
    if not quick:
        grown = per_ticket[100_000] / per_ticket[1_000]
        results["open_time_per_ticket_100k_over_1k"] = round(grown, 3)
    return results


async def _measure(accounts: int, rounds: int) -> dict[str, float]:
    """Median seconds of one block's opening and closing: projected, and copied."""
    from apps.engine.journal import Journal
    from apps.engine.projection import Projection
    from apps.engine.projector import connect

    pool = await open_pool()
    times: dict[str, list[float]] = {n: [] for n in ("open", "open_copy", "close", "close_copy")}
    try:
        with (
            connect() as connection,
            psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as raw,
        ):
            book = Book(accounts, Journal(pool, BROKER))
            await book.take_lease(pool)
            _account_states(raw, book)
            _raw_tables(raw)
            projection = Projection(connection, BROKER, with_links=False)
            for _ in range(rounds + 1):
                block = await book.open()
                times["open"].append(_timed(projection, book.book_id))
                times["open_copy"].append(_copied(raw, OPENED, book.book_id, block))
                await book.close(block)
                times["close"].append(_timed(projection, book.book_id))
                times["close_copy"].append(_copied(raw, CLOSED, book.book_id, block))
    finally:
        await pool.close()
    # The first round fills caches and prepares statements.
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def _timed(projection: Any, book_id: uuid.UUID) -> float:
    began_s = time.perf_counter()
    assert projection.project(book_id) > 0
    return time.perf_counter() - began_s


def _account_states(connection: psycopg.Connection[Any], book: Book) -> None:
    """What the projection of the links would have made."""
    connection.execute("DELETE FROM bench.allocation_accountstate")
    connection.execute(
        "INSERT INTO bench.allocation_accountstate (account_id, book_id, currency,"
        " opening_balance_minor, balance_minor, equity_minor, floating_minor, margin_minor,"
        " marked_at, seq) SELECT a, %s, c, b, b, b, 0, 0, now(), 0"
        " FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS r(a, c, b)",
        [
            book.book_id,
            book.state.members.account_ids.tolist(),
            [book.state.currencies[int(c)] for c in book.state.members.currency],
            book.state.members.balance_minor.tolist(),
        ],
    )


def _raw_tables(connection: psycopg.Connection[Any]) -> None:
    for table in TABLES:
        connection.execute(f"DROP TABLE IF EXISTS bench.raw_{table}")
        connection.execute(
            f"CREATE TABLE bench.raw_{table} (LIKE bench.allocation_{table} INCLUDING ALL)"
        )


def _copied(
    connection: psycopg.Connection[Any],
    tables: dict[str, str],
    book_id: uuid.UUID,
    block_id: uuid.UUID,
) -> float:
    """Seconds to COPY the same rows, in one transaction; reading them back is not counted."""
    data = {}
    for table, key in tables.items():
        value = block_id if key == "block_id" else book_id
        where = f"{key} = '{value}'" + (
            " AND entry = 'out'" * (tables is CLOSED and table == "deal")
        )
        query = f"COPY (SELECT * FROM bench.allocation_{table} WHERE {where}) TO STDOUT"  # noqa: S608
        with connection.cursor().copy(query + " (FORMAT binary)") as copy:
            data[table] = b"".join(bytes(chunk) for chunk in copy)
    if tables is CLOSED:  # a change writes a row again: here as a row of a table without it
        for table in ("ticket", "accountstate"):
            connection.execute(f"TRUNCATE bench.raw_{table}")
    began_s = time.perf_counter()
    with connection.transaction():
        for table, rows in data.items():
            with connection.cursor().copy(
                f"COPY bench.raw_{table} FROM STDIN (FORMAT binary)"
            ) as copy:
                copy.write(rows)
    return time.perf_counter() - began_s
