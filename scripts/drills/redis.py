"""Redis flushed, frozen and killed: it carries commands and frames and holds nothing of value."""

from __future__ import annotations

import os
import signal
import time

from redis import Redis

from scripts.drills._scene import Figures, Scene, spread

ROUNDS, ROUNDS_LONG = 2, 20


def disturb(scene: Scene) -> Figures:
    """Each round: FLUSHALL, SIGSTOP for a while, SIGKILL. Outage: to the next frame after it."""
    outages_s: list[float] = []
    rounds = ROUNDS_LONG if scene.long else ROUNDS
    for _ in range(rounds):
        scene.pause(0.2, 1.0)
        with Redis.from_url(os.environ["REDIS_URL"]) as store:
            store.flushall()
        scene.pause(0.5, 1.5)
        pid = scene.signal("redis", signal.SIGSTOP)
        scene.pause(1.0, 3.0)
        os.kill(pid, signal.SIGCONT)
        scene.pause(0.5, 1.5)
        began_s = time.monotonic()
        killed_ms = time.time_ns() // 1_000_000
        scene.signal("redis", signal.SIGKILL)
        scene.wait_for_frame(killed_ms)
        outages_s.append(time.monotonic() - began_s)
    return {"flushed, frozen, killed": f"{rounds} × each", "outage": spread(outages_s)}
