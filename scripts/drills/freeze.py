"""SIGSTOP of the owner with a standby, then SIGCONT: the stale owner writes nothing."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from apps.engine.models import JournalRecord, Lease
from scripts.drills._scene import BROKER, Figures, Scene, spread, wait_for
from scripts.launcher.bootstrap import ROOT
from tenants.door import broker_schema

TIMES, TIMES_LONG = 1, 10
STANDBY = "drill/two"


def disturb(scene: Scene) -> Figures:
    """The standby takes over after the lease has expired (5 s); then it is stopped cleanly."""
    takeovers_s: list[float] = []
    stale = 0
    with tempfile.NamedTemporaryFile(prefix="standby-", suffix=".log") as log:
        for _ in range(TIMES_LONG if scene.long else TIMES):
            standby = subprocess.Popen(
                [sys.executable, "manage.py", "run_engine", "--owner", STANDBY],
                cwd=ROOT,
                env={**os.environ, "ENGINE_PID_FILE": ""},
                stdout=log,
                stderr=log,
            )
            try:
                scene.pause(3.0, 4.0)
                takeovers_s.append(_frozen(scene, standby, Path(log.name)))
                stale += _written_late(scene)
            finally:
                standby.send_signal(signal.SIGTERM)
                standby.wait(30)
            wait_for(lambda: _served_by_the_first(scene), "the first engine has it again")
    return {
        "freezes": len(takeovers_s),
        "takeover": spread(takeovers_s),
        "records of a stale owner": stale,
    }


def _frozen(scene: Scene, standby: subprocess.Popen[bytes], log: Path) -> float:
    """Freeze whoever owns the book: on a starved machine a heartbeat may have come too late
    before, and the standby have it already. Seconds until the other has it."""
    lease = _lease(scene)
    pid = standby.pid if lease.owner == STANDBY else scene.pid("engine")
    began_s = time.monotonic()
    os.kill(pid, signal.SIGSTOP)
    try:
        scene.wait_for_next_owner(lease.epoch, f"the book of {lease.owner} has another owner")
        takeover_s = time.monotonic() - began_s
        scene.pause(1.0, 2.0)
    except TimeoutError as error:
        error.add_note("\n".join([*scene.database_sessions(), *log.read_text().splitlines()[-20:]]))
        raise
    finally:
        os.kill(pid, signal.SIGCONT)
    scene.pause(2.0, 3.0)
    return takeover_s


def _lease(scene: Scene) -> Lease:
    with broker_schema(BROKER):
        return Lease.objects.get(book_id=scene.stage.book_id)


def _served_by_the_first(scene: Scene) -> bool:
    lease = _lease(scene)
    return lease.owner != STANDBY and scene.epoch() == lease.epoch


def _written_late(scene: Scene) -> int:
    """Records whose epoch is below that of a record before them: AssertionError if any."""
    with broker_schema(BROKER):
        records = JournalRecord.objects.filter(book_id=scene.stage.book_id).order_by("seq")
        epochs = list(records.values_list("epoch", flat=True))
    late = sum(after < before for before, after in itertools.pairwise(epochs))
    assert late == 0, f"{late} records were written by an owner whose lease was over"
    return late
