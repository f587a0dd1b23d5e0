"""Asking a trading server which accounts still hold tickets of a book."""

from __future__ import annotations

import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.state import FlatIntent
from apps.servers.base import TradingServer

FEW = 50
"""Up to here each login is asked; for more, pages of accounts tell which use margin."""
_TICKETS_PER_BOOK = 1 << 32


async def holding(server: TradingServer, intent: FlatIntent) -> Vec:
    """Account ids with a ticket of the book open; kept ones are their owners'.

    Raises UnavailableError, NotFoundError.
    """
    found = []
    suspects, kept = set(intent.logins.tolist()), set(intent.kept_tickets.tolist())
    if len(suspects) > FEW:
        suspects &= await _using_margin(server)
    for account_id, login in zip(intent.account_ids.tolist(), intent.logins.tolist(), strict=True):
        if login not in suspects:
            continue
        positions = await server.positions(login)
        if any(
            p.position_id // _TICKETS_PER_BOOK == intent.book_no and p.position_id not in kept
            for p in positions
        ):
            found.append(account_id)
    return vec(np.unique(found))


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
