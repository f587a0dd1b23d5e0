"""What an operator does to a simulator: create named servers, feed quotes, arm faults, trade by
hand on a login as a terminal or an EA would.

Raises UnavailableError when nobody answers; ForbiddenError without the right admin token.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from apps.core.errors import UnavailableError
from apps.servers.commands import SubmitOrder
from apps.servers.simulator import messages as m
from apps.servers.simulator.link import Link, NoAnswerError
from apps.servers.simulator.wire import QuoteRow


class Admin:
    def __init__(self, link: Link, timeout_s: float) -> None:
        self._link = link
        self._timeout_s = timeout_s

    async def create_server(self, name: str, token: str, *, block_allocation: bool = True) -> None:
        """Idempotent. ConflictError `server_exists` (another token), InputError.

        `block_allocation` False: a server that can only take an order per account.
        """
        await self._ask("create_server", m.CreateServer(name, token, block_allocation))

    async def feed_start(self, symbols: Iterable[str]) -> None:
        """Takes these symbols over: their generated quotes pause while this link is open."""
        await self._ask("feed_start", m.FeedStart(list(symbols)))

    async def feed_quotes(self, rows: list[QuoteRow]) -> int:
        """Rows of (symbol, bid points, ask points, ignored, source_ms); all or none."""
        fed: m.Fed = await self._ask("feed_quotes", m.FeedQuotes(rows), m.Fed)
        return fed.accepted

    async def fault(self, fault: m.Fault) -> None:
        await self._ask("fault", fault)

    async def log_in(self, server: str, token: str) -> None:
        await self._ask("hello", m.Hello(server, token), m.Welcome)

    async def terminal(self, order: SubmitOrder) -> str:
        """After `log_in`: an order from outside; its id. Its events carry no command id."""
        placed: m.Placed = await self._ask("terminal", m.Terminal(order), m.Placed)
        return placed.order_id

    async def bust(self, deal_id: str) -> str:
        """After `log_in`: take a master's deal back; the reversal's deal id. NotFoundError
        `deal_unknown`, ConflictError `deal_busted`."""
        placed: m.Placed = await self._ask("bust", m.Bust(deal_id), m.Placed)
        return placed.order_id

    async def _ask(self, method: str, params: msgspec.Struct, result: Any = m.Nothing) -> Any:
        try:
            return await self._link.request(method, params, result, self._timeout_s)
        except NoAnswerError as error:
            raise UnavailableError("server_unavailable", f"simulator: {error}") from error


@asynccontextmanager
async def open_admin(
    url: str, *, admin_token: str = "", timeout_s: float = 5.0
) -> AsyncIterator[Admin]:
    """A connection for an operator, closed at the end of the block."""
    try:
        link = await Link.open(url, lambda _: None, timeout_s)
    except OSError as error:
        raise UnavailableError(
            "server_unavailable", f"no simulator answers at {url}: {error}", url=url
        ) from error
    try:
        admin = Admin(link, timeout_s)
        if admin_token:
            await admin._ask("admin_hello", m.AdminHello(admin_token))
        yield admin
    finally:
        await link.close()
