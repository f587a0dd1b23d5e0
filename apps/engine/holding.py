"""Asking the trading servers which accounts still hold tickets of a book."""

from __future__ import annotations

import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.state import FlatIntent
from apps.core.errors import UnavailableError
from apps.engine.venues import Venues
from apps.servers.base import TradingServer

FEW = 50
"""Up to here each login of a server is asked; for more, pages of accounts tell which use margin."""
_TICKETS_PER_BOOK = 1 << 32


async def holding(venues: Venues, intent: FlatIntent) -> Vec:
    """Account ids with a ticket of the book open; kept ones are their owners'. Each account is
    asked about on its own server.

    Raises UnavailableError, NotFoundError.
    """
    servers = intent.server_ids if intent.server_ids.size else np.zeros_like(intent.account_ids)
    found: list[int] = []
    for server_id in np.unique(servers).tolist():
        session = venues.session(server_id)
        if session is None or not session.ready.is_set():
            raise UnavailableError("server_away", "An account's trading server is not connected.")
        mine = servers == server_id
        logins = dict(
            zip(intent.logins[mine].tolist(), intent.account_ids[mine].tolist(), strict=True)
        )
        found += await _holding_at(session.server, intent, logins)
    return vec(sorted(set(found)))


async def _holding_at(
    server: TradingServer, intent: FlatIntent, logins: dict[int, int]
) -> list[int]:
    """logins: with their account ids."""
    suspects, kept = set(logins), set(intent.kept_tickets.tolist())
    if len(suspects) > FEW:
        suspects &= await _using_margin(server)
    found = []
    for login in sorted(suspects):
        positions = await server.positions(login)
        if any(
            p.position_id // _TICKETS_PER_BOOK == intent.book_no and p.position_id not in kept
            for p in positions
        ):
            found.append(logins[login])
    return found


async def _using_margin(server: TradingServer) -> set[int]:
    """Logins with margin in use: an open ticket always uses some."""
    logins: set[int] = set()
    after = 0
    while True:
        page = await server.accounts(after=after, limit=1000)
        logins.update(state.login for state in page.items if state.margin > 0)
        if page.next is None:
            return logins
        after = int(page.next)
