"""Wall clocks jump, forwards and backwards: the engine's with its callers', alone, the server's."""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from pathlib import Path

from apps.allocation.models import Block
from apps.core.book.commands import CloseBlock
from apps.core.errors import NotFoundError
from apps.demo.main_job_calls import patiently
from apps.engine import client
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
FORGIVES = (TimeoutError,)
"""A caller may wait in vain for its block: `tidy` looks why."""
REFUSED = ("order_too_old", "stale_quote")
"""By the engine, an order decided 60 s of its clock ago; by the server, on a quote as old."""


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


def tidy(scene: Scene, given_up: int) -> Figures:
    """What was refused for its age was refused by name; what is open still is closed again."""
    with broker_schema(BROKER):
        blocks = Block.objects.filter(book_id=scene.stage.book_id)
        refused = blocks.filter(state="rejected", reject_code__in=REFUSED).count()
        left = list(blocks.filter(state="open").values_list("id", flat=True))
    assert refused == given_up, f"{given_up} callers waited in vain, {refused} blocks were refused"
    for block_id in left:
        close = CloseBlock(command_id=uuid.uuid4(), block_id=block_id)
        with contextlib.suppress(NotFoundError):  # closed by now: the rows follow the book
            patiently(lambda close=close: client.execute(BROKER, scene.stage.book_id, close))  # type: ignore[misc]
    return {"opening refused for its age": refused, "closing refused, done again": len(left)}


def _head(scene: Scene) -> int:
    with broker_schema(BROKER):
        last = JournalRecord.objects.filter(book_id=scene.stage.book_id).order_by("-seq").first()
    return last.seq if last else 0
