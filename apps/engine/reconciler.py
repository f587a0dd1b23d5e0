"""Compares running books with their trading servers, again and again, beside the hot path.

Over a session of its own and with pauses: orders never wait behind it. Every round compares all
balances, the master's unallocated volume, and the tickets of some accounts, in turn; a book of N
accounts is through after N / TICKETS_A_ROUND rounds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from apps.core.book.codec import Vec
from apps.core.book.state import BookState
from apps.core.errors import ProrataError
from apps.engine.actor import BookActor
from apps.engine.comparing import (
    BALANCE,
    TICKET,
    UNALLOCATED,
    Difference,
    accounts_by_login,
    balances,
    compare_balances,
    compare_tickets,
    linked,
    moving,
    positions_as_tickets,
    tickets,
)
from apps.engine.differences import EVERY_S, keep
from apps.engine.instants import instant
from apps.engine.journal import Pool
from apps.engine.session import now_ms
from apps.servers.base import TradingServer
from apps.servers.registry import open_server
from apps.servers.types import AccountState

log = structlog.get_logger("engine.reconciler")
TICKETS_A_ROUND = 200
SHARE = 5
"""At most one part in this many of the time is spent comparing, pauses included."""
_PAGE = 200
"""Accounts asked for at once: a server answers in milliseconds, its orders wait no longer."""
_AT_A_TIME = 10
_PAUSE_S = 0.02
"""Between two questions."""
_MASTER = 0


class Reconciler:
    """One per broker. `every_s`: a round begins this long after the one before has ended."""

    def __init__(
        self,
        broker: str,
        pool: Pool,
        actors: Callable[[], Iterable[BookActor]],
        every_s: float = EVERY_S,
    ) -> None:
        self.broker = broker
        self._pool = pool
        self._actors = actors
        self._every_s = every_s
        self._turn: dict[UUID, int] = {}

    async def run(self) -> None:
        while True:
            began_s = time.monotonic()
            for actor in list(self._actors()):
                if actor.ready.is_set():
                    await self._try(actor)
            spent_s = time.monotonic() - began_s
            await asyncio.sleep(max(self._every_s, spent_s * SHARE))

    async def _try(self, actor: BookActor) -> None:
        try:
            await self.compare(actor)
        except (ProrataError, TimeoutError, psycopg.OperationalError, PoolTimeout) as error:
            log.warning("not_compared", book=str(actor.row.book_id), error=repr(error))

    async def compare(self, actor: BookActor) -> list[Difference]:
        """One round of one book; what was found, and is kept."""
        at = instant(now_ms())
        server = open_server(actor.session.row.kind, actor.session.row.config)
        await server.connect()
        try:
            found, compared = await self._balances(actor, server)
            more, with_tickets = await self._tickets(actor, server)
            rest, with_master = await self._master(actor, server)
        finally:
            await server.close()
        found += more + rest
        for one in found:
            log.warning("differs", book=str(actor.row.book_id), kind=one.kind,
                        account=one.account_id, ticket=one.ticket_id, expected=one.expected,
                        found=one.found)  # fmt: skip
        async with self._pool.connection() as connection:
            sides = {BALANCE: compared, TICKET: with_tickets, UNALLOCATED: with_master}
            await keep(connection, self.broker, actor.row.book_id, at, found, sides)
        return found

    async def _balances(
        self, actor: BookActor, server: TradingServer
    ) -> tuple[list[Difference], list[int]]:
        """Accounts whose balance stood still here while the server was read."""
        before = await _settled(actor)
        accounts, old, unsure = accounts_by_login(before), balances(before), moving(before)
        theirs: list[AccountState] = []
        after = 0
        while True:
            page = await server.accounts(after=after, limit=_PAGE)
            theirs += [account for account in page.items if account.login in accounts]
            if page.next is None:
                break
            after = int(page.next)
            await asyncio.sleep(_PAUSE_S)
        state = await _settled(actor)
        unsure |= moving(state)
        still: dict[int, Decimal] = {
            login: balance
            for login, balance in balances(state).items()
            if old.get(login) == balance and accounts[login] not in unsure
        }
        return compare_balances(still, theirs, accounts), [accounts[login] for login in still]

    async def _tickets(
        self, actor: BookActor, server: TradingServer
    ) -> tuple[list[Difference], list[int]]:
        """Of a few accounts at a time: those whose tickets stood still meanwhile."""
        found: list[Difference] = []
        compared: list[int] = []
        places = self._next_places(await _settled(actor))
        for first in range(0, len(places), _AT_A_TIME):
            some = places[first : first + _AT_A_TIME]
            before = await _settled(actor)
            logins = before.members.logins[some].tolist()
            ours, unsure = tickets(before, some), moving(before)
            theirs = [await server.positions(login) for login in logins]
            after = await _settled(actor)
            still, unsure = tickets(after, some), unsure | moving(after)
            for (account, held), positions in zip(ours.items(), theirs, strict=True):
                if account not in unsure and still[account] == held:
                    there, _ = positions_as_tickets(positions, actor.session.specs)
                    found += compare_tickets(account, held, there)
                    compared.append(account)
            await asyncio.sleep(_PAUSE_S)
        return found, compared

    def _next_places(self, state: BookState) -> Vec:
        """The next members in turn."""
        places = linked(state)
        first = self._turn.get(state.book_id, 0)
        first = 0 if first >= places.size else first
        self._turn[state.book_id] = first + TICKETS_A_ROUND
        return places[first : first + TICKETS_A_ROUND]

    async def _master(
        self, actor: BookActor, server: TradingServer
    ) -> tuple[list[Difference], list[int]]:
        """A book with nothing on its way leaves nothing on its master."""
        if (await _settled(actor)).intents:
            return [], []
        positions = await server.positions(actor.row.master_login)
        _, left = positions_as_tickets(positions, actor.session.specs)
        if (await _settled(actor)).intents:
            return [], []
        found = [Difference(UNALLOCATED, _MASTER, "0 steps", f"{left} steps")] if left else []
        return found, [_MASTER]


async def _settled(actor: BookActor) -> BookState:
    """The state when all of it is durable."""
    await actor.settled.wait()
    assert actor.state is not None, "a ready book has a state"
    return actor.state
