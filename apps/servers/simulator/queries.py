"""What can be read from one named server."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from apps.core.errors import InputError
from apps.servers.simulator import valuation
from apps.servers.simulator.exchange import Exchange, Order
from apps.servers.simulator.messages import Welcome
from apps.servers.simulator.store import Row
from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES, SYMBOLS
from apps.servers.types import AccountState, Deal, OrderState, Page, Position, Side

MAX_PAGE = 1000


def welcome(exchange: Exchange) -> Welcome:
    masters = [a.login for a in exchange.accounts.values() if a.kind == "master"]
    return Welcome(
        now_ms=exchange.market.now_ms(),
        last_seq=exchange.store.last_seq,
        symbols=[
            msgspec.structs.replace(spec, sessions=exchange.market.sessions.get(name, ()))
            for name, spec in SYMBOLS.items()
        ],
        orders=[_order(o) for orders in exchange.working.values() for o in orders.values()],
        unallocated=[p for p in valuation.positions(exchange, masters) if p.unallocated],
        block_allocation=exchange.store.block_allocation,
    )


def account_page(exchange: Exchange, after: int, limit: int) -> Page[AccountState]:
    _check_limit(limit)
    rows = exchange.store.all(
        "SELECT login FROM accounts WHERE login > ? ORDER BY login LIMIT ?", (after, limit + 1)
    )
    logins = [row["login"] for row in rows[:limit]]
    following = str(logins[-1]) if len(rows) > limit else None
    return Page(valuation.states(exchange, logins), following)


def account_state(exchange: Exchange, login: int) -> AccountState:
    exchange.account(login)
    return valuation.states(exchange, [login])[0]


def positions(exchange: Exchange, login: int) -> list[Position]:
    exchange.account(login)
    return valuation.positions(exchange, [login])


def orders(exchange: Exchange, login: int) -> list[OrderState]:
    exchange.account(login)
    return [
        _order(order)
        for orders_of_symbol in exchange.working.values()
        for order in orders_of_symbol.values()
        if order.login == login
    ]


def deals(exchange: Exchange, login: int, since: str, limit: int) -> Page[Deal]:
    _check_limit(limit)
    account = exchange.account(login)
    if not (since.isascii() and since.isdigit() and len(since) < 19):
        raise InputError("cursor_invalid", f"{since!r} is no deal id", since=since)
    rows = exchange.store.all(
        "SELECT * FROM deals WHERE login = ? AND deal_id > ? ORDER BY deal_id LIMIT ?",
        (login, int(since), limit + 1),
    )
    found = [_deal(row, ACCOUNT_CURRENCIES[account.currency]) for row in rows[:limit]]
    return Page(found, found[-1].deal_id if len(rows) > limit else None)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_PAGE:
        raise InputError("limit_invalid", f"a page has 1 to {MAX_PAGE} rows", limit=limit)


def _order(order: Order) -> OrderState:
    return OrderState(
        order_id=str(order.order_id),
        command_id=None if order.command_id is None else str(order.command_id),
        login=order.login,
        symbol=order.symbol,
        side=order.side,
        kind=order.kind,
        status="working",
        steps=order.steps,
        cum_steps=order.cum_steps,
        leaves_steps=order.leaves_steps,
        price=None if order.points is None else SYMBOLS[order.symbol].to_price(order.points),
        placed_at_ms=order.placed_ms,
        expires_at_ms=order.expires_ms,
    )


def _deal(row: Row, money_digits: int) -> Deal:
    spec = SYMBOLS.get(row["symbol"] or "")
    return Deal(
        deal_id=str(row["deal_id"]),
        login=row["login"],
        kind=row["kind"],
        amount=Decimal(row["amount"]).scaleb(-money_digits),
        at_ms=row["at_ms"],
        command_id=row["command_id"],
        position_id=row["position_id"],
        symbol=row["symbol"],
        side=None if row["side"] is None else Side(row["side"]),
        steps=row["steps"],
        price=None if spec is None or row["points"] is None else spec.to_price(row["points"]),
        comment=row["comment"],
    )
