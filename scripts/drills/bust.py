"""The trading server takes deals back: their tickets are closed by the mirrored deal."""

from __future__ import annotations

import asyncio
import time
import uuid
from decimal import Decimal

from django.conf import settings

from apps.allocation.models import Block, Deal
from apps.core.book.commands import PlaceBlock
from apps.demo.main_job_calls import patiently
from apps.engine import client, discovery
from apps.servers.registry import open_server
from apps.servers.simulator.admin import open_admin
from scripts.drills._scene import BROKER, Figures, Scene, spread, wait_for
from tenants.door import broker_schema

TIMES, TIMES_LONG = 4, 40


def disturb(scene: Scene) -> Figures:
    """Reversed: from the bust to the block's last row. P&L of a busted block must be nothing."""
    reversed_s: list[float] = []
    for _ in range(TIMES_LONG if scene.long else TIMES):
        scene.pause(0.1, 0.5)
        block_id = _open(scene)
        began_s = time.monotonic()
        asyncio.run(_bust(scene, block_id))
        wait_for(lambda block=block_id: _state(block) == "closed", "the block is reversed")  # type: ignore[misc]
        reversed_s.append(time.monotonic() - began_s)
        with broker_schema(BROKER):
            deals = Deal.objects.filter(block_id=block_id)
            assert not any(deals.values_list("pnl_minor", flat=True)), "a bust brings no P&L"
    return {"busts": len(reversed_s), "reversed": spread(reversed_s)}


def _open(scene: Scene) -> uuid.UUID:
    """A block of the drill's own, which nobody else closes."""
    command = PlaceBlock(
        command_id=uuid.UUID(int=scene.rng.getrandbits(128), version=4),
        symbol="EURUSD",
        side=scene.rng.choice(("buy", "sell")),
        volume_lots=Decimal(scene.rng.randint(2_000, 9_000)) / 100,
    )
    outcome = patiently(lambda: client.execute(BROKER, scene.stage.book_id, command))
    with scene.trades.lock:
        scene.trades.opened.add(command.command_id)
        scene.trades.acknowledged[command.command_id] = outcome.seq
    wait_for(lambda: _state(command.command_id) == "open", "the block is open")
    return command.command_id


def _state(block_id: uuid.UUID) -> str:
    with broker_schema(BROKER):
        block = Block.objects.filter(pk=block_id).first()
    return block.state if block else ""


async def _bust(scene: Scene, block_id: uuid.UUID) -> None:
    """Every deal of the block's order."""
    found = await asyncio.to_thread(discovery.discover, BROKER)
    (row,) = found.servers
    (book,) = [book for book in found.books if book.book_id == scene.stage.book_id]
    server = open_server(row.kind, row.config)
    await server.connect()
    try:
        deals, since = [], "0"
        while True:
            page = await server.deals(book.master_login, since=since)
            deals += [deal for deal in page.items if deal.command_id == str(block_id)]
            if page.next is None:
                break
            since = page.next
    finally:
        await server.close()
    async with open_admin(settings.SIM_URL) as admin:
        await admin.log_in(row.config["server"], row.config["token"])
        for deal in deals:
            await admin.bust(deal.deal_id)
