"""Acknowledged commands per second over 20 books of two brokers: one engine process, and two.

Each thread opens blocks on books of its own and closes them again. With one engine it serves both
brokers; with two, each serves one. In turns, with what processor time the engines used, and how
busy the machine was: what limits it is read from that.
"""

from __future__ import annotations

import itertools
import statistics
import threading
import time
import uuid
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from scripts.benches import _stack

NEEDS = ("postgres", "redis")
BROKERS = ("bencha", "benchb")
BOOKS, ACCOUNTS, THREADS, SECONDS, TURNS = 20, 25, 8, 5.0, 3
QUICK = (2, 3, 2, 1.0, 1)


def run(*, quick: bool = False) -> dict[str, float]:
    """Commands per second with two engines over one; the figures are printed."""
    books, accounts, threads, seconds, turns = (
        QUICK if quick else (BOOKS, ACCOUNTS, THREADS, SECONDS, TURNS)
    )
    rates: dict[int, list[float]] = {1: [], 2: []}
    with _stack.simulator() as folder:
        with _stack.engines(folder, BROKERS):
            stages = [
                _stack.stage(BROKERS[number % 2], accounts, seed=number) for number in range(books)
            ]
        for _, count in itertools.product(range(turns), (1, 2)):
            served = [BROKERS] if count == 1 else [(slug,) for slug in BROKERS]
            with _stack.engines(folder, *served) as pids:
                rates[count].append(_load(stages, pids, threads, seconds))
    one, two = (statistics.median(values) for values in rates.values())
    print(f"one engine {one:,.0f} commands/s, two engines {two:,.0f} commands/s (medians)")
    return {"two_engines_over_one": round(two / one, 3)}


def _load(stages: list[Any], pids: list[int], threads: int, seconds: float) -> float:
    """Commands acknowledged per second by these engines."""
    from apps.engine import client

    for stage in stages:
        _stack.until(partial(client.is_held, stage.broker, stage.book_id), "a book is served")
    workers = [_Worker(stages[number::threads], seconds) for number in range(threads)]
    used, idle, began_s = sum(map(_stack.cpu_s, pids)), _idle_s(), time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    spent_s = time.monotonic() - began_s
    engines = (sum(map(_stack.cpu_s, pids)) - used) / spent_s
    rate = sum(worker.acknowledged for worker in workers) / spent_s
    failures = [worker.failure for worker in workers if worker.failure]
    assert not failures, failures[0]
    print(
        f"{len(pids)} engine(s): {rate:7,.0f} commands/s; engines {engines:.2f} processors,"
        f" unused {(_idle_s() - idle) / spent_s:.2f}"
    )
    return rate


class _Worker(threading.Thread):
    """Opens a block on each of its books and closes the one before."""

    def __init__(self, stages: list[Any], seconds: float) -> None:
        super().__init__()
        self._stages, self._seconds = stages, seconds
        self.acknowledged = 0
        self.failure = ""

    def run(self) -> None:
        try:
            self._trade()
        except Exception as error:
            self.failure = repr(error)

    def _trade(self) -> None:
        from apps.core.book.commands import CloseBlock, PlaceBlock
        from apps.core.errors import ConflictError, NotFoundError, RejectedError
        from apps.engine import client

        until_s = time.monotonic() + self._seconds
        open_blocks: dict[uuid.UUID, list[uuid.UUID]] = {}
        for stage in itertools.cycle(self._stages):
            if time.monotonic() > until_s:
                return
            order = PlaceBlock(
                command_id=uuid.uuid4(), symbol="EURUSD", side="buy", volume_lots=Decimal(1)
            )
            client.execute(stage.broker, stage.book_id, order)
            self.acknowledged += 1
            waiting = open_blocks.setdefault(stage.book_id, [])
            waiting.append(order.command_id)
            if len(waiting) < 3:
                continue
            close = CloseBlock(command_id=uuid.uuid4(), block_id=waiting.pop(0))
            try:
                client.execute(stage.broker, stage.book_id, close)
            except (ConflictError, NotFoundError, RejectedError):
                continue  # not filled yet: it stays open
            self.acknowledged += 1


def _idle_s() -> float:
    """Processor time that nobody used since the machine started."""
    line = Path("/proc/stat").read_text().splitlines()[0].split()
    return int(line[4]) / 100
