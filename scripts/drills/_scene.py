"""What every drill shares: a book under load, and what must hold when the dust has settled."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import TypeVar

import psycopg
from django.db import connections

from apps.core.errors import UnavailableError
from apps.demo.main_job_checks import Check, check_all
from apps.demo.main_job_setup import Stage, make_stage
from apps.demo.main_job_trade import Trader, Trades
from apps.engine import client
from apps.engine.export import export_lines
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.process import Watched
from scripts.launcher.say import say

BROKER = "drill"
ACCOUNTS = 40
THREADS = 3
VERIFIER = ROOT / "scripts" / "auditor" / "verify_journal.py"
Figures = dict[str, object]
SESSIONS = """
SELECT pid, application_name, state, wait_event, pg_blocking_pids(pid), now() - xact_start, query
FROM pg_stat_activity WHERE backend_type = 'client backend'
"""
T = TypeVar("T")


class Load:
    """Threads that open, part-close and close blocks until told to finish."""

    def __init__(self, stage: Stage, seed: int, forgives: tuple[type[Exception], ...]) -> None:
        self._trader = Trader(stage, 1, seed)
        self._forgives = forgives
        self.given_up = 0
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(THREADS)]
        self.failures: list[str] = []

    @property
    def trades(self) -> Trades:
        return self._trader.trades

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Every life that was begun is brought to its end."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._over.is_set():
            try:
                self._trader.life(next(self._numbers))
            except self._forgives:
                self.given_up += 1
            except Exception as error:
                self.failures.append(f"{type(error).__name__}: {error}")
                return


class Scene:
    """What a drill works with: the processes, the book, a seeded source of moments."""

    def __init__(
        self, watched: Mapping[str, Watched], stage: Stage, trades: Trades, long: bool, seed: int
    ) -> None:
        self.stage = stage
        self.trades = trades
        self.long = long
        self.rng = random.Random(seed)
        self._watched = watched

    def pid(self, name: str) -> int:
        """Of the process that runs now, waited for when it is being started."""
        return wait_for(lambda: self._watched[name].pid, f"{name} runs")

    def signal(self, name: str, number: signal.Signals) -> int:
        """Its pid."""
        pid = self.pid(name)
        os.kill(pid, number)
        return pid

    def epoch(self) -> int:
        """Of the last frame; 0 when there is none."""
        try:
            frame = client.latest_frame(self.stage.broker, self.stage.book_id)
        except UnavailableError:
            return 0
        return frame.epoch if frame else 0

    def fresh_frame(self, after_ms: int) -> bool:
        try:
            frame = client.latest_frame(self.stage.broker, self.stage.book_id)
        except UnavailableError:
            return False
        return frame is not None and frame.at_ms > after_ms

    def wait_for_next_owner(self, epoch: int, what: str) -> None:
        """Until a frame has a higher epoch."""
        wait_for(lambda: self.epoch() > epoch, what)

    def wait_for_frame(self, after_ms: int) -> None:
        wait_for(lambda: self.fresh_frame(after_ms), "frames of the book are published again")

    def wait_for_another(self, name: str, pid: int) -> None:
        """Until the process runs under another pid."""
        wait_for(lambda: self.pid(name) != pid, f"{name} runs again")

    def database_sessions(self) -> list[str]:
        """Who waits for whom in the database, for the message of a drill that failed."""
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            return [" | ".join(map(str, row)) for row in connection.execute(SESSIONS).fetchall()]

    def pause(self, low_s: float, high_s: float) -> None:
        """A random moment passes."""
        time.sleep(self.rng.uniform(low_s, high_s))


def wait_for(question: Callable[[], T | None], what: str, within_s: float = 60.0) -> T:
    """Ask until the answer is truthy. Raises TimeoutError that says what did not happen."""
    deadline_s = time.monotonic() + within_s
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        time.sleep(0.02)


def perform(
    name: str, drill: ModuleType, watched: Mapping[str, Watched], *, long: bool, seed: int
) -> bool:
    """One drill on a book of its own; prints its figures and checks; whether all were met."""
    stage = make_stage(BROKER, ACCOUNTS, seed=seed, say=lambda _: None)
    load = Load(stage, seed, getattr(drill, "FORGIVES", ()))
    scene = Scene(watched, stage, load.trades, long, seed)
    began_s = time.monotonic()
    with load:
        scene.pause(0.5, 1.0)
        try:
            figures: Figures = drill.disturb(scene)
        except Exception as error:
            error.add_note(f"callers that ended: {load.failures}; given up: {load.given_up}")
            raise
    if hasattr(drill, "tidy"):
        figures |= drill.tidy(scene, load.given_up)
    connections.close_all()
    trades = load.trades
    say(f"{name}: {(drill.__doc__ or '').strip().splitlines()[0]}")
    shown = {
        **figures,
        "blocks opened and closed": len(trades.opened),
        "commands acknowledged": len(trades.acknowledged),
        "asked again": trades.unknown,
        "cancelled too late": len(trades.cut),
        "seconds": round(time.monotonic() - began_s, 1),
    }
    say("  " + "; ".join(f"{what} {value}" for what, value in shown.items()))
    checks = [
        Check("every caller got its answer in the end", not load.failures, str(load.failures[:2])),
        *check_all(stage, trades, len(trades.opened)),
        audited(stage),
    ]
    connections.close_all()
    for check in checks:
        say(f"  {'✓' if check.ok else '✗'} {check.name}: {check.detail}")
    return all(check.ok for check in checks)


def audited(stage: Stage) -> Check:
    """The book's journal, exported, before the standalone verifier."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        path.write_text("".join(f"{line}\n" for line in export_lines(BROKER, stage.book_id)))
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(VERIFIER), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
    said = (done.stdout + done.stderr).strip().splitlines()
    return Check("the standalone verifier", done.returncode == 0, said[0] if said else "")


def spread(times_s: list[float]) -> str:
    """Median and largest, for a figure."""
    ordered = sorted(times_s)
    return f"median {ordered[len(ordered) // 2]:.1f} s, largest {ordered[-1]:.1f} s"
