"""SIGSTOP of the owner with a standby, then SIGCONT: the stale owner writes nothing."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

from apps.engine.models import JournalRecord
from scripts.drills._scene import BROKER, Figures, Scene, spread
from scripts.launcher.bootstrap import ROOT
from tenants.door import broker_schema

TIMES, TIMES_LONG = 1, 10


def disturb(scene: Scene) -> Figures:
    """The standby takes over after the lease has expired (5 s); then it is stopped cleanly."""
    takeovers_s: list[float] = []
    stale = 0
    for _ in range(TIMES_LONG if scene.long else TIMES):
        environment = {**os.environ, "ENGINE_PID_FILE": ""}
        standby = subprocess.Popen(
            [sys.executable, "manage.py", "run_engine", "--owner", "drill/two"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            scene.pause(3.0, 4.0)
            takeovers_s.append(_frozen(scene))
            stale += _written_late(scene)
        finally:
            standby.send_signal(signal.SIGTERM)
            standby.wait(30)
        epoch = scene.epoch()
        scene.wait_for_next_owner(epoch, "the first engine has it again")
    return {
        "freezes": len(takeovers_s),
        "takeover": spread(takeovers_s),
        "records of a stale owner": stale,
    }


def _frozen(scene: Scene) -> float:
    epoch = scene.epoch()
    began_s = time.monotonic()
    pid = scene.signal("engine", signal.SIGSTOP)
    try:
        scene.wait_for_next_owner(epoch, "the standby has the book")
        takeover_s = time.monotonic() - began_s
        scene.pause(1.0, 2.0)
    finally:
        os.kill(pid, signal.SIGCONT)
    scene.pause(2.0, 3.0)
    return takeover_s


def _written_late(scene: Scene) -> int:
    """Records whose epoch is below that of a record before them: AssertionError if any."""
    with broker_schema(BROKER):
        records = JournalRecord.objects.filter(book_id=scene.stage.book_id).order_by("seq")
        epochs = list(records.values_list("epoch", flat=True))
    late = sum(after < before for before, after in itertools.pairwise(epochs))
    assert late == 0, f"{late} records were written by an owner whose lease was over"
    return late
