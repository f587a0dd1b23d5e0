"""Positions marked per second by the running engine, and what quotes cost who places a block.

50 symbols, 100 books of 20 accounts, a ticket of each account in each symbol: 100,000 tickets. A
caller places blocks one after another, in turns while the market is calm (every symbol moves once
in five seconds) and in a storm (ten times a second). The server refuses the orders, so nothing
grows.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import sys
import threading
import time
import uuid
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import _stack
from scripts.benches._quoted_engine import SYMBOLS, first_points, specs

NEEDS = ("postgres", "redis")
BROKER = "bench"
BOOKS, ACCOUNTS, SECONDS, TURNS = 100, 20, 6.0, 4
QUICK = (2, 3, 1.0, 1)


def run(*, quick: bool = False) -> dict[str, float]:
    """The p99 of placing in a storm over the calm one's; the rest is printed."""
    books, accounts, seconds, turns = QUICK if quick else (BOOKS, ACCOUNTS, SECONDS, TURNS)
    with ExitStack() as stack:
        folder = stack.enter_context(_stack.simulator())
        storm = folder / "storm"
        os.environ["BENCH_STORM"] = str(storm)
        from tenants.services import NewBroker, create_broker

        create_broker(NewBroker(BROKER, "Bench", f"{BROKER}.localhost", "a@bench.example"))
        ids = _make_books(books, accounts)
        stack.enter_context(
            _stack.process(folder, "engine", sys.executable, "-m", "scripts.benches._quoted_engine")
        )
        return _measure(ids, storm, accounts, seconds, turns)


def _measure(
    ids: list[uuid.UUID], storm: Path, accounts: int, seconds: float, turns: int
) -> dict[str, float]:
    from apps.engine import client

    for book_id in ids:
        _stack.until(partial(client.is_held, BROKER, book_id), "a book is served")
    times_ms: dict[bool, list[float]] = {False: [], True: []}
    frames: dict[bool, list[float]] = {False: [], True: []}
    time.sleep(min(seconds, 2.0))
    for _, is_storm in itertools.product(range(turns), (False, True)):
        storm.touch() if is_storm else storm.unlink(missing_ok=True)
        time.sleep(min(seconds, 5.0))  # the last round of calm quotes is over
        with _Frames() as counted:
            times_ms[is_storm] += _place(ids, accounts, seconds)
        frames[is_storm].append(counted.per_s)
    results: dict[str, float] = {}
    for is_storm, name in ((False, "calm"), (True, "storm")):
        times, rate = times_ms[is_storm], statistics.median(frames[is_storm])
        p99 = statistics.quantiles(times, n=100)[98]
        marked = rate * accounts * SYMBOLS
        print(
            f"{name}: placed {len(times)} blocks, median {statistics.median(times):.2f} ms, p99"
            f" {p99:.2f} ms; {rate:.0f} frames/s = {marked:,.0f} positions marked/s,"
            f" each book {rate / len(ids):.1f} times a second"
        )
        results[f"positions_marked_per_s_{name}"] = round(marked)
        results[f"place_p99_ms_{name}"] = p99
    return {
        "storm_p99_over_calm": round(
            results["place_p99_ms_storm"] / results["place_p99_ms_calm"], 3
        ),
        "storm_median_over_calm": round(
            statistics.median(times_ms[True]) / statistics.median(times_ms[False]), 3
        ),
        "positions_marked_per_s_storm": results["positions_marked_per_s_storm"],
    }


def _place(ids: list[uuid.UUID], accounts: int, seconds: float) -> list[float]:
    """Milliseconds of each block placed; some twenty a second, as many as people place."""
    from apps.core.book.commands import PlaceBlock
    from apps.engine import client

    times_ms, until_s = [], time.monotonic() + seconds
    for book_id in itertools.cycle(ids):
        if time.monotonic() > until_s:
            break
        order = PlaceBlock(
            command_id=uuid.uuid4(),
            symbol="EURUSD",
            side="buy",
            volume_lots=Decimal(accounts) / 10,
        )
        began_s = time.perf_counter()
        client.execute(BROKER, book_id, order)
        times_ms.append((time.perf_counter() - began_s) * 1000)
        time.sleep(0.02)
    return times_ms


class _Frames:
    """Counts the frames that are published while the block runs."""

    def __enter__(self) -> _Frames:
        from apps.engine import channels, client

        self._pubsub: Any = client.connection().pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        self._pubsub.psubscribe(channels.frames(BROKER, uuid.UUID(int=0)).rpartition(":")[0] + ":*")
        self._over = threading.Event()
        self._count, self.per_s = 0, 0.0
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join()
        self.per_s = self._count / (time.monotonic() - self._began_s)
        self._pubsub.close()

    def _run(self) -> None:
        while not self._over.is_set():
            message = self._pubsub.get_message(timeout=0.2)
            self._count += message is not None and message["type"] == "pmessage"


def _make_books(books: int, accounts: int) -> list[uuid.UUID]:
    """Rows of servers, accounts and masters, and each book's state as a snapshot to start from."""
    from apps.accounts.models import Master, Role, TradingAccount, TradingServer, User
    from tenants.door import broker_schema

    with broker_schema(BROKER):
        server = TradingServer(name="quoted", kind=TradingServer.Kind.SIMULATOR, config={})
        server.set_secret("bench")
        server.save()
        manager = User.objects.create_user("m@bench.example", None, roles=[Role.MANAGER])
        rows = TradingAccount.objects.bulk_create(
            TradingAccount(
                server=server,
                login=number + 1,
                kind="master" if number < books else "sub",
                currency="USD" if number < books else ("USD", "EUR", "GBP")[number % 3],
                leverage=100,
            )
            for number in range(books * (accounts + 1))
        )
        masters = Master.objects.bulk_create(
            Master(account=row, manager=manager, name=f"Book {row.login}") for row in rows[:books]
        )
    subs = rows[books:]
    states = [
        _state(master, subs[number * accounts : (number + 1) * accounts])
        for number, master in enumerate(masters)
    ]
    asyncio.run(_save(states))
    return [state.book_id for state in states]


async def _save(states: list[Any]) -> None:
    from apps.core.book.records import GENESIS
    from apps.engine.journal import Journal, encode_state
    from scripts.benches._book import open_pool

    pool = await open_pool()
    try:
        journal = Journal(pool, BROKER)
        for state in states:
            await journal.save_snapshot(state.book_id, encode_state(state), 1, GENESIS)
    finally:
        await pool.close()


def _state(master: Any, subs: list[Any]) -> Any:
    """A book whose every member holds a ticket in every symbol."""
    from apps.core.allocation import Rule
    from apps.core.book.codec import vec
    from apps.core.book.state import Block, Members, new_book
    from apps.engine.session import symbol_info

    state = new_book(master.public_id, master.pk, master.account.login, "USD", 2)
    state.rule = Rule()
    ids = vec([row.pk for row in subs])
    state.members = Members(
        account_ids=ids,
        logins=vec([row.login for row in subs]),
        currency=vec([state.currency_place(row.currency, 2) for row in subs]),
        leverage=np.full(ids.size, 100),
        balance_minor=vec([10_000_000_00 + row.pk for row in subs]),
        status=np.zeros(ids.size, dtype=np.int64),
    )
    places = np.arange(ids.size)
    steps = 1 + places % 7
    for spec in specs():
        state.define_symbol(symbol_info(spec))
        points = first_points(spec.name)
        exposure = state.exposure(spec.name)
        exposure.long_steps += steps
        exposure.long_cost += steps * points
        block_id = uuid.uuid4()
        state.blocks[block_id] = Block(
            block_id=block_id,
            symbol=spec.name,
            side="buy",
            kind="market",
            price_points=None,
            requested_steps=int(steps.sum()),
            rule=Rule(),
            participants=ids,
            status="open",
            order_steps=int(steps.sum()),
            open_points=points,
            first_ticket_id=state.next_ticket_id,
            members=places,
            target_steps=steps.copy(),
            open_steps=steps.copy(),
            closing_steps=np.zeros_like(steps),
            base_steps=steps.copy(),
            given_steps=np.zeros_like(steps),
        )
        state.next_ticket_id += ids.size
    return state
