"""Must fail: an engine that sends again with a fresh id when it does not know the outcome."""

from __future__ import annotations

import asyncio

from django.conf import settings

from apps.servers.simulator.admin import open_admin
from apps.servers.simulator.messages import Fault
from scripts.drills._scene import BROKER, Figures, Scene


def disturb(scene: Scene) -> Figures:
    """Orders are done and their answers never arrive."""
    asyncio.run(_cut())
    scene.pause(6.0, 7.0)
    return {"connections cut after an order": 3}


async def _cut() -> None:
    async with open_admin(settings.SIM_URL) as admin:
        await admin.fault(Fault(server=f"{BROKER}-sim", kind="drop_after", count=3))
