"""What the parts of the suite share."""

from __future__ import annotations

from apps.servers.base import TradingServer
from apps.servers.types import Deal
from tests.servers.peer import (
    open_account,
)

MASTER, ALICE, BOB = 900, 901, 902


async def master(server: TradingServer) -> None:
    await open_account(server, MASTER, kind="master", amount="0")


async def all_deals(server: TradingServer, login: int, page: int = 1000) -> list[Deal]:
    found: list[Deal] = []
    cursor: str | None = "0"
    while cursor is not None:
        answer = await server.deals(login, since=cursor, limit=page)
        found += answer.items
        cursor = answer.next
    return found
