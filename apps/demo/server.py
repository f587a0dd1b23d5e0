"""The broker's own named server on the simulator: created there, recorded here."""

from __future__ import annotations

import asyncio
import secrets

from django.conf import settings

from apps.accounts.models import TradingServer
from apps.servers.simulator.admin import open_admin


def demo_server(slug: str) -> TradingServer:
    """The row of `{slug}-sim`, made with a new token when missing. Inside the broker's schema.

    Creating it on the simulator is idempotent. Raises UnavailableError when none answers.
    """
    name = f"{slug}-sim"
    server = TradingServer.objects.filter(name=name).first()
    if server is None:
        server = TradingServer(
            name=name,
            kind=TradingServer.Kind.SIMULATOR,
            config={"url": settings.SIM_URL, "server": name},
        )
        server.set_secret(secrets.token_urlsafe(24))
        server.save()

    async def create() -> None:
        async with open_admin(settings.SIM_URL) as admin:
            await admin.create_server(name, server.secret())

    asyncio.run(create())
    return server
