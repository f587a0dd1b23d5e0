"""kill -9 of the engine at random moments under load; it is started again each time."""

from __future__ import annotations

import signal
import time

from scripts.drills._scene import Figures, Scene, spread

KILLS, KILLS_LONG = 4, 100


def disturb(scene: Scene) -> Figures:
    """Takeover: from the kill to the first frame of the book's next owner."""
    takeovers_s: list[float] = []
    for _ in range(KILLS_LONG if scene.long else KILLS):
        scene.pause(0.0, 1.5)
        epoch = scene.epoch()
        began_s = time.monotonic()
        scene.signal("engine", signal.SIGKILL)
        scene.wait_for_next_owner(epoch, "the book is served again")
        takeovers_s.append(time.monotonic() - began_s)
    return {"kills": len(takeovers_s), "takeover": spread(takeovers_s)}
