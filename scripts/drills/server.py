"""The trading server loses answers, cuts connections, doubles, reorders, delays, then dies."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

from django.conf import settings

from apps.servers.simulator.admin import open_admin
from apps.servers.simulator.messages import Fault
from scripts.drills._scene import BROKER, Figures, Scene

FAULTS: dict[str, dict[str, int]] = {
    "lose_ack": {},
    "delay": {"delay_ms": 700},
    "drop_before": {},
    "drop_after": {},
    "duplicate_fill": {},
    "reorder": {},
    "partial": {"steps": 1500},
}
ROUNDS, ROUNDS_LONG = 2, 30


def disturb(scene: Scene) -> Figures:
    """Every kind of fault in random order, then kill -9 of the server, in each round."""
    armed: Counter[str] = Counter()
    kills = 0
    for _ in range(ROUNDS_LONG if scene.long else ROUNDS):
        for kind in scene.rng.sample(list(FAULTS), len(FAULTS)):
            count = scene.rng.randint(1, 3)
            asyncio.run(_arm(kind, count))
            armed[kind] += count
            scene.pause(0.2, 0.8)
        scene.signal("simulator", signal.SIGKILL)
        kills += 1
        scene.pause(3.0, 5.0)
    return {"server kills": kills, **armed}


async def _arm(kind: str, count: int) -> None:
    async with open_admin(settings.SIM_URL) as admin:
        await admin.fault(Fault(server=f"{BROKER}-sim", kind=kind, count=count, **FAULTS[kind]))
