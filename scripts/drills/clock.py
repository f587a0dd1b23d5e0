"""Wall clocks jump, forwards and backwards: the engine's with its callers', alone, the server's."""

from __future__ import annotations

import os
import time
from pathlib import Path

from apps.engine.models import JournalRecord
from scripts.drills import _clock
from scripts.drills._scene import BROKER, Figures, Scene, spread, wait_for
from tenants.door import broker_schema

FOLDER = "DRILL_CLOCKS"
"""Environment variable: where the files are that move the clocks of these processes."""
WHO = ("engine", "callers", "server")
TOGETHER = (("engine", "callers"), ("engine",), ("server",))
JUMPS_MS = (40_000, -40_000, 3_600_000, -3_600_000, 86_400_000, -86_400_000)
ROUNDS, ROUNDS_LONG = 1, 5


def disturb(scene: Scene) -> Figures:
    """Each jump stays for 2 to 4 seconds. Outage: from its end to the book's next record."""
    folder = Path(os.environ[FOLDER])
    _clock.install(folder / "callers")
    outages_s: list[float] = []
    meanwhile = 0
    jumps = [(who, ms) for who in TOGETHER for ms in JUMPS_MS]
    for _ in range(ROUNDS_LONG if scene.long else ROUNDS):
        for who, offset_ms in scene.rng.sample(jumps, len(jumps)):
            before = _head(scene)
            for name in who:
                _clock.shift(folder / name, offset_ms)
            scene.pause(2.0, 4.0)
            for name in who:
                _clock.shift(folder / name, 0)
            began_s, head = time.monotonic(), _head(scene)
            meanwhile += head > before
            wait_for(lambda head=head: _head(scene) > head, "the book's journal grows again")  # type: ignore[misc]
            outages_s.append(time.monotonic() - began_s)
    return {
        "jumps of 40 s, 1 h, 1 day, both ways": len(outages_s),
        "traded during": meanwhile,
        "outage after": spread(outages_s),
    }


def _head(scene: Scene) -> int:
    with broker_schema(BROKER):
        last = JournalRecord.objects.filter(book_id=scene.stage.book_id).order_by("-seq").first()
    return last.seq if last else 0
