"""What the broker's records and the trading server say of accounts that join."""

from __future__ import annotations

import asyncio

from apps.core.book.codec import vec
from apps.core.book.commands import AccountInfo, AccountTable
from apps.core.book.state import HOME
from apps.core.errors import NotFoundError, RejectedError
from apps.engine import discovery
from apps.engine.actor import BookActor
from apps.engine.discovery import currency_digits
from apps.engine.own import own_positions
from apps.servers.base import TradingServer
from apps.servers.types import AccountState

_ONE_BY_ONE = 64
"""Up to so many accounts are asked for by themselves; above, all are read page by page."""


async def account_info(actor: BookActor, account_id: int) -> AccountInfo:
    """What is said of one account, with the positions it has of its own.

    Raises NotFoundError `account_unknown`, RejectedError `server_not_mapped`, UnavailableError.
    """
    row = await discovery.in_thread(discovery.account, actor.row.broker, account_id)
    if row is None:
        raise NotFoundError(
            "account_unknown", f"There is no account {account_id}.", account_id=account_id
        )
    server_id = actor.venues.id_of(row.server_id)
    session = actor.venues.connected(server_id)
    if server_id != HOME:
        actor.define_venue(server_id)
    server_seq = session.cursor
    state = await session.server.account_state(row.login)
    positions = await session.server.positions(row.login)
    digits = currency_digits(state.currency)
    return AccountInfo(
        account_id=account_id,
        login=row.login,
        currency=state.currency,
        currency_digits=digits,
        leverage=state.leverage,
        balance_minor=int(state.balance.scaleb(digits)),
        own_positions=own_positions(actor.state, positions, session.specs, server_id),
        server_seq=server_seq,
        server_id=server_id,
    )


async def account_table(actor: BookActor, account_ids: list[int]) -> AccountTable:
    """What is said of many; those that the broker or the server does not know are not in it."""
    rows = await discovery.in_thread(discovery.accounts, actor.row.broker, account_ids)
    by_server: dict[int, list[discovery.AccountRow]] = {}
    for row in rows:
        by_server.setdefault(actor.venues.id_of(row.server_id), []).append(row)
    found: list[tuple[discovery.AccountRow, AccountState, int]] = []
    for server_id, there in by_server.items():
        found += await _found_at(actor, server_id, there)
    found.sort(key=lambda one: one[0].account_id)
    currencies = sorted({state.currency for _, state, _ in found})
    digits = [currency_digits(currency) for currency in currencies]
    place = {currency: at for at, currency in enumerate(currencies)}
    return AccountTable(
        account_ids=vec([row.account_id for row, _, _ in found]),
        logins=vec([row.login for row, _, _ in found]),
        currency=vec([place[state.currency] for _, state, _ in found]),
        leverage=vec([state.leverage for _, state, _ in found]),
        balance_minor=vec(
            [int(state.balance.scaleb(digits[place[state.currency]])) for _, state, _ in found]
        ),
        holds=vec([int(state.margin != 0) for _, state, _ in found]),
        currencies=currencies,
        currency_digits=digits,
        server_ids=vec([server_id for _, _, server_id in found] if set(by_server) - {HOME} else []),
    )


async def _found_at(
    actor: BookActor, server_id: int, rows: list[discovery.AccountRow]
) -> list[tuple[discovery.AccountRow, AccountState, int]]:
    """Those that their server knows. Of a server to which no symbol map leads: none."""
    try:
        session = actor.venues.connected(server_id)
    except RejectedError:
        return []
    if server_id != HOME:
        actor.define_venue(server_id)
    states = await _states(session.server, {row.login for row in rows})
    return [(row, states[row.login], server_id) for row in rows if row.login in states]


async def _states(server: TradingServer, logins: set[int]) -> dict[int, AccountState]:
    if len(logins) <= _ONE_BY_ONE:
        each = await asyncio.gather(
            *(server.account_state(login) for login in sorted(logins)), return_exceptions=True
        )
        for answer in each:
            if isinstance(answer, BaseException) and not isinstance(answer, NotFoundError):
                raise answer
        return {state.login: state for state in each if isinstance(state, AccountState)}
    found: dict[int, AccountState] = {}
    after = min(logins) - 1
    while True:
        page = await server.accounts(after=after)
        found.update({state.login: state for state in page.items if state.login in logins})
        if page.next is None or int(page.next) >= max(logins):
            return found
        after = int(page.next)
