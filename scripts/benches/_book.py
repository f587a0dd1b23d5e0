"""What the engine's benches share: a broker with real tables, and a book of any size."""

from __future__ import annotations

import os
import random
import time
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

from apps.core.allocation import AllocationRequest, Rule, allocate
from apps.core.book.codec import encode, vec
from apps.core.book.commands import (
    BookingReported,
    CloseBlock,
    FillReported,
    Inputs,
    PlaceBlock,
    QuoteIn,
    SymbolInfo,
)
from apps.core.book.events import BlockAllocated
from apps.core.book.market import Market
from apps.core.book.marking import floating, margin_caps
from apps.core.book.records import GENESIS, advance, digest_of, make_record, refusal
from apps.core.book.state import BookingIntent, BookState, Members, SubmitIntent, new_book

BROKER = "bench"


def prepare() -> None:
    """The tables that a broker really has, with their indexes, in the throwaway database."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DEBUG", "1")
    django.setup()
    from tenants.services import NewBroker, create_broker, prepare_database

    prepare_database("localhost")
    create_broker(
        NewBroker(
            slug=BROKER,
            legal_name="Bench",
            domain="bench.localhost",
            admin_email="admin@bench.example",
        )
    )


async def open_pool() -> Any:
    from psycopg_pool import AsyncConnectionPool

    from apps.engine import sql

    pool: Any = AsyncConnectionPool(
        sql.conninfo(), kwargs={"autocommit": True}, min_size=1, open=False
    )
    await pool.open()
    return pool


class Book:
    """A book of `accounts` members in four currencies, with open positions."""

    def __init__(self, accounts: int, journal: Any) -> None:

        rng = self._rng = random.Random(accounts)
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
        state = new_book(self.book_id, accounts, 1, "USD", 2)
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
        self.state: BookState = state

    async def take_lease(self, pool: Any) -> None:
        async with pool.connection() as connection:
            await connection.execute(
                "INSERT INTO bench.engine_lease (book_id, owner, epoch, heartbeat_at)"
                " VALUES (%s, 'bench', 1, now())",
                [self.book_id],
            )

    async def warm_up(self) -> None:
        """Positions in two symbols, so that floating P&L and margin are really computed."""
        for symbol in ("EURUSD", "USDJPY"):
            await self.place(symbol)
            await self.fill()

    async def place(self, symbol: str = "EURUSD") -> tuple[float, float]:
        """(ms to decide and encode, ms to the committed acknowledgement)."""
        return await self._step(self._order(symbol))

    def tick(self) -> None:
        """Every price moves, so that nothing of the last decision can be used again."""
        for name, quote in self._quotes.items():
            moved = self._rng.randint(-25, 25)
            self._quotes[name] = QuoteIn(quote.bid + moved, quote.ask + moved, 0)

    async def settle(self) -> None:
        """The block placed last is filled and closed again: the book is as large as before."""
        await self.fill()
        await self.close(next(reversed(self.state.blocks)))
        for intent in list(self.state.intents.values()):
            if isinstance(intent, BookingIntent):
                await self._step(
                    BookingReported(
                        command_id=uuid.uuid4(), booking_id=intent.booking_id, done=True
                    )
                )

    def parts(self) -> dict[str, Callable[[], object]]:
        """What a decision is made of, each on its own, at the quotes of now."""
        inputs = Inputs(now_ms=1, quotes=self._quotes)
        symbol = self.state.symbols["EURUSD"]
        record, body = make_record(
            self.state, self._order("EURUSD"), inputs, seq=1, epoch=1, previous=GENESIS
        )
        event = next(e for e in body.events if isinstance(e, BlockAllocated))
        carry = self.state.carries["EURUSD"].as_carry()

        def divided(rule: Rule, *, capped: bool) -> Callable[[], object]:
            request = AllocationRequest(
                rule=rule,
                volume_steps=event.order_steps,
                account_ids=event.account_ids,
                equity=event.weights,
                cap_steps=event.cap_steps if capped else None,
                carry=carry if rule.uses_carry else None,
            )
            return lambda: allocate(request)

        return {
            "floating P&L": lambda: floating(self.state, self._fresh()),
            "margin and caps by it": lambda: margin_caps(
                self.state, self._fresh(), symbol, event.equity_minor, 100
            ),
            "division without carry and caps": divided(Rule(carry_forward=False), capped=False),
            "with caps": divided(Rule(carry_forward=False), capped=True),
            "with caps and carry": divided(Rule(), capped=True),
            "encoding": lambda: encode(body),
            "digest": lambda: digest_of(GENESIS, 1, 1, 1, self.book_id, record.body),
        }

    def _fresh(self) -> Market:
        """A market that has converted nothing yet."""
        return Market(self._quotes, 1, 10_000)

    def _order(self, symbol: str) -> PlaceBlock:
        return PlaceBlock(
            command_id=uuid.uuid4(),
            symbol=symbol,
            side="buy",
            volume_lots=Decimal(self.accounts * 3) / 100 + Decimal("0.07"),
        )

    async def fill(self) -> None:
        """The order that was sent last is filled whole: a block opens or closes."""
        intents = [i for i in self.state.intents.values() if isinstance(i, SubmitIntent)]
        order = intents[-1]
        fill = FillReported(
            command_id=uuid.uuid4(),
            order_id=order.order_id,
            deal_id=str(self._seq),
            steps=order.steps,
            cum_steps=order.steps,
            leaves_steps=0,
            price_points=self._quotes[order.symbol].ask,
            rates={},
            server_seq=self._seq,
            at_ms=1,
        )
        await self._step(fill)

    async def open(self) -> uuid.UUID:
        """Place a block and have it filled; its id."""
        await self.place()
        await self.fill()
        return next(reversed(self.state.blocks))

    async def close(self, block_id: uuid.UUID) -> None:
        """Close a block whole."""
        await self._step(CloseBlock(command_id=uuid.uuid4(), block_id=block_id))
        await self.fill()

    async def _step(self, stimulus: Any) -> tuple[float, float]:
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
