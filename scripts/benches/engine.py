"""A block from command to committed acknowledgement, against one small row and rows a ticket.

The engine's own path (decide with caps, margin and carry-forward on; record with its digest; one
append under the lease) on a broker's real tables, interleaved with (a) the commit of one small
row; beside (b) a binary COPY of the same tickets into a table with nothing but its key, (c)
bulk_create of them and (d) one save() for each, both on the real model. Every price moves before
every block, and every block is filled and closed before the next.

Medians and least times: on a machine that others use the least says what the work takes. `costs`
says what each part takes, alone, on the same book.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg

from scripts.benches._book import BROKER, Book, open_pool, prepare

NEEDS = ("postgres",)
ROUNDS = {100: 200, 1_000: 200, 10_000: 100, 100_000: 15}
QUICK_ROUNDS = {100: 3}
SAVES = 200
"""One save() a ticket is timed for so many, and multiplied."""
DDL = """
CREATE TABLE bench.small (id bigserial PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE bench.ticket (id bigint PRIMARY KEY, block uuid, account bigint, steps bigint);
"""


def run(*, quick: bool = False) -> dict[str, float]:
    """Ratios; the times are printed."""
    prepare()
    from apps.engine.memory import keep_freed_memory

    keep_freed_memory()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(DDL)
    results: dict[str, float] = {}
    for accounts, rounds in (QUICK_ROUNDS if quick else ROUNDS).items():
        times = asyncio.run(_measure(accounts, rounds))
        times["bulk"], times["save"] = _by_models(accounts)
        results.update(_ratios(accounts, times))
    return results


def _ratios(accounts: int, times: dict[str, float]) -> dict[str, float]:
    ack = times["ack"]
    print(
        f"{accounts:>7,} accounts: acknowledged {ack:7.2f} ms (least {times['ack_least']:.2f}, p99"
        f" {times['p99']:.2f}; of it decided and encoded {times['decide']:.2f}, least"
        f" {times['decide_least']:.2f}), (a) small row {times['small']:.2f} ms (least"
        f" {times['small_least']:.2f}, p99 {times['small_p99']:.2f}),"
        f" (b) COPY {times['copy']:.2f} ms, (c) bulk_create {times['bulk']:,.0f} ms,"
        f" (d) save() {times['save']:,.0f} ms ({SAVES} timed),"
        f" record {times['bytes']:,.0f} bytes"
    )
    name = f"{accounts // 1000}k" if accounts >= 1000 else str(accounts)
    return {
        f"ack_over_small_row_{name}": round(ack / times["small"], 3),
        f"least_ack_over_least_small_row_{name}": round(
            times["ack_least"] / times["small_least"], 3
        ),
        f"ack_p99_over_median_{name}": round(times["p99"] / ack, 3),
        **{
            f"{other}_over_ack_{name}": round(times[other] / ack, 3)
            for other in ("copy", "bulk", "save")
        },
    }


async def _measure(accounts: int, rounds: int) -> dict[str, float]:
    from apps.engine.journal import Journal

    pool = await open_pool()
    try:
        book = Book(accounts, Journal(pool, BROKER))
        await book.take_lease(pool)
        await book.warm_up()
        acks_ms, decides_ms, small_ms = [], [], []
        for _ in range(rounds):
            book.tick()
            decided_ms, ack_ms = await book.place()
            decides_ms.append(decided_ms)
            acks_ms.append(ack_ms)
            small_ms.append(await _small_row(pool))
            await book.settle()
        _print_costs(book)
        copies_ms = [await _copy(pool, book, number) for number in range(5)]
    finally:
        await pool.close()
    medians = {"ack": acks_ms, "decide": decides_ms, "small": small_ms, "copy": copies_ms}
    return {
        **{name: statistics.median(values) for name, values in medians.items()},
        **{f"{name}_least": min(values) for name, values in medians.items()},
        "p99": statistics.quantiles(acks_ms, n=100)[98],
        "small_p99": statistics.quantiles(small_ms, n=100)[98],
        "bytes": book.record_bytes,
    }


def _print_costs(book: Book) -> None:
    """Least time of each part of a decision alone: what switching it off would save."""
    times_ms = {
        name: 1000 * min(_timed(action) for _ in range(20)) for name, action in book.parts().items()
    }
    shown = ", ".join(f"{name} {value:.2f} ms" for name, value in times_ms.items())
    print(f"{book.accounts:>7,} accounts: of a decision {shown}")


def _timed(action: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    action()
    return time.perf_counter() - started_s


def _by_models(accounts: int) -> tuple[float, float]:
    """(bulk_create, one save() each) in ms for so many tickets; each in one transaction."""
    from django.db import transaction

    from apps.allocation.models import Ticket
    from tenants.door import broker_schema

    def tickets(first: int, count: int) -> list[Any]:
        return [
            Ticket(
                id=first + n, block_id=block, account_id=n, symbol="EURUSD", side=1, steps=3,
                open_steps=3, volume_step=Decimal("0.01"), open_price=Decimal("1.08"),
                opened_at=now, seq=1,
            )
            for n in range(count)
        ]  # fmt: skip

    block, now = uuid4(), datetime.now(UTC)
    bulk_ms = []
    with broker_schema(BROKER):
        for number in range(1 if accounts >= 100_000 else 3):
            began_s = time.perf_counter()
            with transaction.atomic():
                Ticket.objects.bulk_create(
                    tickets((number + 1) * 10**9 + accounts * 10**10, accounts)
                )
            bulk_ms.append((time.perf_counter() - began_s) * 1000)
        began_s = time.perf_counter()
        with transaction.atomic():
            for ticket in tickets(9 * 10**9 + accounts * 10**10, SAVES):
                ticket.save(force_insert=True)
        save_ms = (time.perf_counter() - began_s) * 1000
    return statistics.median(bulk_ms), save_ms * accounts / SAVES


async def _small_row(pool: Any) -> float:
    async with pool.connection() as connection:
        started_s = time.perf_counter()
        await connection.execute(
            "INSERT INTO bench.small (body) VALUES (%b)", [b"x" * 64], prepare=True
        )
        return (time.perf_counter() - started_s) * 1000


async def _copy(pool: Any, book: Book, number: int) -> float:
    """Binary COPY of one row per account, committed; encoding not counted against it."""
    rows = np.zeros(
        book.accounts,
        dtype=[
            ("n", ">i2"), ("l1", ">i4"), ("id", ">i8"), ("l2", ">i4"), ("block", "V16"),
            ("l3", ">i4"), ("account", ">i8"), ("l4", ">i4"), ("steps", ">i8"),
        ],
    )  # fmt: skip
    rows["n"], rows["l1"], rows["l2"], rows["l3"], rows["l4"] = 4, 8, 16, 8, 8
    rows["id"] = np.arange(book.accounts) + (number + 1) * 10**9 + book.accounts * 10**10
    rows["account"] = np.arange(book.accounts)
    data = b"PGCOPY\n\xff\r\n\x00" + bytes(8) + rows.tobytes() + b"\xff\xff"
    async with pool.connection() as connection:
        started_s = time.perf_counter()
        async with (
            connection.cursor() as cursor,
            cursor.copy("COPY bench.ticket FROM STDIN (FORMAT binary)") as copy,
        ):
            await copy.write(data)
        return (time.perf_counter() - started_s) * 1000
