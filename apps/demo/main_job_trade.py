"""The main job's trading: blocks opened, part-closed, closed; the engine killed in the middle."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from apps.core.book.commands import CancelBlock, CloseBlock, Command, OrderKind, PlaceBlock, Side
from apps.core.errors import NotFoundError, RejectedError, UnavailableError
from apps.demo.main_job_calls import patiently
from apps.demo.main_job_setup import Stage
from apps.engine import client

SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "EURJPY")
THREADS = 4
OPEN_WITHIN_S = 20.0
TRIGGER_WITHIN_S = 3.0
CANCEL_WITHIN_S = 8.0
"""An order that a dead server is asked to cancel may be filled first when it is back."""
POLL_S = 0.1


@dataclass
class Trades:
    """What was acknowledged: command id → the journal's seq. Shared by threads."""

    acknowledged: dict[uuid.UUID, int] = field(default_factory=dict)
    opened: set[uuid.UUID] = field(default_factory=set)
    cancelled: set[uuid.UUID] = field(default_factory=set)
    cut: set[uuid.UUID] = field(default_factory=set)
    """Asked to be cancelled, but filled before, perhaps only in part."""
    refused: dict[str, int] = field(default_factory=dict)
    unknown: int = 0
    ack_ms: list[float] = field(default_factory=list)
    killed: bool = False
    takeover_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class Trader:
    """Plays `blocks` blocks on a stage; `kill` is called once, half way, from a busy moment."""

    def __init__(self, stage: Stage, blocks: int, seed: int) -> None:
        self.stage = stage
        self.blocks = blocks
        self.trades = Trades()
        self._seed = seed
        self._begun = 0

    def play(self, kill: Callable[[], float] | None) -> Trades:
        with ThreadPoolExecutor(THREADS) as threads:
            lives = [threads.submit(self.life, number) for number in range(self.blocks)]
            if kill is not None:
                self._wait_for_half()
                self.trades.takeover_s = kill()
                self.trades.killed = True
            for life in lives:
                life.result()
        return self.trades

    def _wait_for_half(self) -> None:
        while self._begun < max(1, self.blocks // 2):
            time.sleep(0.005)

    def life(self, number: int) -> None:
        """One block from order to flat. One that was never triggered, or whose price was passed
        before it arrived, is followed by another at the market."""
        rng = random.Random(f"{self._seed}:{number}")
        with self.trades.lock:
            self._begun += 1
        kind: OrderKind = {8: "limit", 9: "stop"}.get(number % 10, "market")  # type: ignore[assignment]
        if kind == "market" or not self._open(rng, number, kind):
            kind = "market"
            if not self._open(rng, number, kind):
                return
        block_id = self._id(number, kind)
        with self.trades.lock:
            self.trades.opened.add(block_id)
        fraction = Decimal(rng.randint(10, 90)) / 100
        self._execute(
            CloseBlock(command_id=self._id(number, "part"), block_id=block_id, fraction=fraction)
        )
        self._execute(CloseBlock(command_id=self._id(number, "close"), block_id=block_id))

    def _open(self, rng: random.Random, number: int, kind: OrderKind) -> bool:
        """Whether a block was placed and opened (else it is refused, or off)."""
        block_id = self._id(number, kind)
        if self._execute(self._order(rng, block_id, kind)) is None:
            return False
        pending = kind != "market"
        if self._wait_until_open(block_id, TRIGGER_WITHIN_S if pending else OPEN_WITHIN_S):
            return True
        if pending and self._cancel(number, block_id):
            return False
        if not self._wait_until_open(block_id, OPEN_WITHIN_S):
            raise TimeoutError(f"block {block_id} did not open in {OPEN_WITHIN_S} s")
        return True

    def _cancel(self, number: int, block_id: uuid.UUID) -> bool:
        """Whether it is off. An order that the server has already may still be filled."""
        command = CancelBlock(command_id=self._id(number, "cancel"), block_id=block_id)
        outcome = self._execute(command)
        if outcome is None:  # it opened before, or was refused at its trigger
            return not self._wait_until_open(block_id, 2.0)
        if outcome.result["status"] == "cancelling" and self._wait_until_open(
            block_id, CANCEL_WITHIN_S
        ):
            with self.trades.lock:
                self.trades.cut.add(block_id)
            return False
        with self.trades.lock:
            self.trades.cancelled.add(block_id)
        return True

    def _id(self, number: int, what: str) -> uuid.UUID:
        return uuid.uuid5(self.stage.book_id, f"{what}:{number}")

    def _order(self, rng: random.Random, block_id: uuid.UUID, kind: OrderKind) -> PlaceBlock:
        """A limit or a stop is close enough to be reached, mostly."""
        symbol = rng.choice(SYMBOLS)
        side: Side = rng.choice(("buy", "sell"))
        return PlaceBlock(
            command_id=block_id,
            symbol=symbol,
            side=side,
            volume_lots=Decimal(rng.randint(2_000, 15_000)) / 100,
            kind=kind,
            price=None if kind == "market" else self._price(symbol, side, kind),
            placed_by="main job",
        )

    def _price(self, symbol: str, side: Side, kind: OrderKind) -> Decimal:
        """Three points beyond the quote, on the side where the order waits."""
        quote = client.latest_quotes(self.stage.broker, self.stage.server_id)[symbol]
        below = (side == "buy") == (kind == "limit")
        price = Decimal(quote.ask if side == "buy" else quote.bid)
        return price + (-3 if below else 3) * Decimal(1).scaleb(-quote.digits)

    def _execute(self, command: Command) -> client.Outcome | None:
        """Acknowledged, possibly after asking again. None when the book refused it."""
        began_s = time.perf_counter()

        def ask() -> client.Outcome:
            return client.execute(self.stage.broker, self.stage.book_id, command, timeout_s=2.0)

        try:
            outcome = patiently(ask, on_unknown=self._count_unknown)
        except (RejectedError, NotFoundError) as error:  # not found: refused by the server since
            with self.trades.lock:
                self.trades.refused[error.code] = self.trades.refused.get(error.code, 0) + 1
            return None
        with self.trades.lock:
            self.trades.acknowledged[command.command_id] = outcome.seq
            self.trades.ack_ms.append((time.perf_counter() - began_s) * 1000)
        return outcome

    def _count_unknown(self) -> None:
        with self.trades.lock:
            self.trades.unknown += 1

    def _wait_until_open(self, block_id: uuid.UUID, patience_s: float) -> bool:
        """Whether the block shows as open in a frame within that time (an engine running)."""
        left_s = patience_s
        while left_s > 0:
            try:
                frame = client.latest_frame(self.stage.broker, self.stage.book_id)
                if frame and any(view.block_id == block_id for view in frame.blocks):
                    return True
                time.sleep(POLL_S)
                if client.is_held(self.stage.broker, self.stage.book_id):
                    left_s -= POLL_S
            except UnavailableError:  # nobody can be asked: this time does not count either
                time.sleep(POLL_S)
        return False


def kill_engine(stage: Stage) -> float:
    """kill -9 the engine and wait for its successor; seconds until a book is served again.

    The process id is in the file that ENGINE_PID_FILE names; whoever started the engine is to
    start it again. Raises UnavailableError when that does not happen within 30 s.
    """
    path = Path(os.environ["ENGINE_PID_FILE"])
    victim = int(path.read_text())
    began_s = time.monotonic()
    os.kill(victim, signal.SIGKILL)
    while time.monotonic() - began_s < 30:
        if path.read_text().strip() not in ("", str(victim)) and _answers(stage):
            return time.monotonic() - began_s
        time.sleep(0.05)
    raise UnavailableError("engine_not_back", "The engine was not started again within 30 s.")


def _answers(stage: Stage) -> bool:
    """Whether a frame younger than a second is there."""
    frame = client.latest_frame(stage.broker, stage.book_id)
    return frame is not None and time.time() * 1000 - frame.at_ms < 1000
