"""A block from command to committed acknowledgement, against committing one small row.

The engine's own path (decide with caps, margin and carry-forward on; record with its digest; one
append under the lease) at 1,000, 10,000 and 100,000 sub-accounts, interleaved with the commit of
one small row, and beside a binary COPY of the same tickets.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import time
import uuid
from decimal import Decimal
from typing import Any

import django
import numpy as np
import psycopg

NEEDS = ("postgres",)
ROUNDS = {1_000: 200, 10_000: 150, 100_000: 25}
DDL = """
CREATE SCHEMA bench;
CREATE TABLE bench.engine_lease (book_id uuid PRIMARY KEY, owner text, epoch bigint NOT NULL,
    heartbeat_at timestamptz NOT NULL);
CREATE TABLE bench.engine_journal (book_id uuid, seq bigint, epoch bigint NOT NULL,
    at_ms bigint NOT NULL, command_id uuid NOT NULL, body bytea NOT NULL, digest bytea NOT NULL,
    PRIMARY KEY (book_id, seq), UNIQUE (book_id, command_id));
ALTER TABLE bench.engine_journal ALTER body SET STORAGE EXTERNAL;
CREATE TABLE bench.small (id bigserial PRIMARY KEY, body bytea NOT NULL);
CREATE TABLE bench.ticket (id bigint PRIMARY KEY, block uuid, account bigint, steps bigint);
"""


def run() -> dict[str, float]:
    """Ratios; the times are printed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from apps.engine.memory import keep_freed_memory

    keep_freed_memory()
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(DDL)
    results: dict[str, float] = {}
    for accounts, rounds in ROUNDS.items():
        results.update(asyncio.run(_measure(accounts, rounds)))
    return results


async def _measure(accounts: int, rounds: int) -> dict[str, float]:
    from psycopg_pool import AsyncConnectionPool

    from apps.engine import sql
    from apps.engine.journal import Journal

    pool: Any = AsyncConnectionPool(
        sql.conninfo(), kwargs={"autocommit": True}, min_size=1, open=False
    )
    await pool.open()
    try:
        book = Book(accounts, Journal(pool, "bench"))
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO bench.engine_lease VALUES (%s, 'bench', 1, now())", [book.book_id]
            )
        await book.warm_up()
        acks_ms, decides_ms, small_ms = [], [], []
        for _ in range(rounds):
            decided_ms, ack_ms = await book.place()
            decides_ms.append(decided_ms)
            acks_ms.append(ack_ms)
            small_ms.append(await _small_row(pool))
        copies_ms = [await _copy(pool, book, number) for number in range(5)]
    finally:
        await pool.close()
    ack, small, copy = (statistics.median(t) for t in (acks_ms, small_ms, copies_ms))
    p99 = statistics.quantiles(acks_ms, n=100)[98]
    print(
        f"{accounts:>7,} accounts: acknowledged {ack:7.2f} ms (p99 {p99:.2f}; of it decided and"
        f" encoded {statistics.median(decides_ms):.2f}), small row {small:.2f} ms,"
        f" COPY of the tickets {copy:.2f} ms, record {book.record_bytes:,} bytes"
    )
    name = f"{accounts // 1000}k"
    return {
        f"ack_over_small_row_{name}": round(ack / small, 3),
        f"ack_p99_over_median_{name}": round(p99 / ack, 3),
        f"copy_over_ack_{name}": round(copy / ack, 3),
    }


class Book:
    """A book of `accounts` members in four currencies, with open positions."""

    def __init__(self, accounts: int, journal: Any) -> None:
        from apps.core.book.codec import vec
        from apps.core.book.commands import QuoteIn, SymbolInfo
        from apps.core.book.records import GENESIS
        from apps.core.book.state import Members, new_book

        rng = random.Random(accounts)
        self.book_id = uuid.uuid4()
        self.accounts = accounts
        self.record_bytes = 0
        self._journal = journal
        self._head, self._seq = GENESIS, 0
        self._quotes = {
            "EURUSD": QuoteIn(108_000, 108_010, 0),
            "GBPUSD": QuoteIn(127_000, 127_010, 0),
            "USDJPY": QuoteIn(150_000, 150_010, 0),
        }
        state = new_book(self.book_id, 1, 1, "USD", 2)
        for currency, digits in (("EUR", 2), ("GBP", 2), ("JPY", 0)):
            state.currency_place(currency, digits)
        for name, digits in (("EURUSD", 5), ("GBPUSD", 5), ("USDJPY", 3)):
            state.define_symbol(
                SymbolInfo(
                    name=name,
                    digits=digits,
                    contract_size=Decimal(100_000),
                    volume_step=Decimal("0.01"),
                    min_steps=1,
                    max_steps=10_000_000,
                    base_currency=name[:3],
                    quote_currency=name[3:],
                    margin_currency=name[:3],
                    margin_mode="fx",
                    max_leverage=500,
                )
            )
        currencies = np.array([rng.randrange(4) for _ in range(accounts)], dtype=np.int64)
        money = [int(min(rng.lognormvariate(14, 1.2), 1e9)) for _ in range(accounts)]
        state.members = Members(
            account_ids=np.arange(1, accounts + 1, dtype=np.int64),
            logins=np.arange(1, accounts + 1, dtype=np.int64),
            currency=currencies,
            leverage=vec([rng.choice((30, 100, 200)) for _ in range(accounts)]),
            balance_minor=vec(money),
            status=np.zeros(accounts, dtype=np.int64),
        )
        self.state = state

    async def warm_up(self) -> None:
        """Positions in two symbols, so that floating P&L and margin are really computed."""
        for symbol in ("EURUSD", "USDJPY"):
            await self.place(symbol)
            await self._fill()

    async def place(self, symbol: str = "EURUSD") -> tuple[float, float]:
        """(ms to decide and encode, ms to the committed acknowledgement)."""
        from apps.core.book.commands import PlaceBlock

        command = PlaceBlock(
            command_id=uuid.uuid4(),
            symbol=symbol,
            side="buy",
            volume_lots=Decimal(self.accounts * 3) / 100 + Decimal("0.07"),
        )
        return await self._step(command)

    async def _fill(self) -> None:
        from apps.core.book.commands import FillReported

        block = next(b for b in self.state.blocks.values() if b.status == "sent")
        fill = FillReported(
            command_id=uuid.uuid4(),
            order_id=block.block_id,
            deal_id=str(self._seq),
            steps=block.order_steps,
            cum_steps=block.order_steps,
            leaves_steps=0,
            price_points=self._quotes[block.symbol].ask,
            rates={},
            server_seq=self._seq,
            at_ms=1,
        )
        await self._step(fill)

    async def _step(self, stimulus: Any) -> tuple[float, float]:
        from apps.core.book.commands import Inputs
        from apps.core.book.records import advance, make_record, refusal

        inputs = Inputs(now_ms=1, quotes=self._quotes)
        started_s = time.perf_counter()
        record, body = make_record(
            self.state, stimulus, inputs, seq=self._seq + 1, epoch=1, previous=self._head
        )
        decided_s = time.perf_counter()
        await self._journal.append(self.book_id, 1, [record])
        acknowledged_s = time.perf_counter()
        assert refusal(body) is None, refusal(body)
        self.state = advance(self.state, body)
        self._seq, self._head = record.seq, record.digest
        self.record_bytes = max(self.record_bytes, len(record.body))
        return (decided_s - started_s) * 1000, (acknowledged_s - started_s) * 1000


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
