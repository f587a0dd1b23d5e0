"""Executions: what a fill does to a master (unallocated volume) or to a position."""

from __future__ import annotations

from decimal import Decimal

from apps.core.errors import RejectedError
from apps.core.ints import half_up_div, int64
from apps.core.pnl import pnl_minor
from apps.servers.events import Fill
from apps.servers.simulator.exchange import Account, Exchange, Order, encode_rates
from apps.servers.simulator.rates import Tick, account_rates
from apps.servers.simulator.symbols import SYMBOLS, TERMS
from apps.servers.types import Position, Side

# Positions the server itself opens are numbered from here, far from the caller's ticket ids,
# and stay exact in JSON numbers.
FIRST_OWN_TICKET = 8_000_000_000_000_000


def fill(exchange: Exchange, order: Order, tick: Tick) -> None:
    """Executes what is left of `order` (or one slice of it) at the market."""
    spec = SYMBOLS[order.symbol]
    account = exchange.account(order.login)
    steps = min(order.leaves_steps, order.slice_steps or order.leaves_steps)
    cum_steps = order.cum_steps + steps
    points = tick.ask if order.side is Side.BUY else tick.bid
    rates = account_rates(spec.profit_currency, exchange.market.ticks)
    deal_id = exchange.store.new_deals()
    holds = account.kind == "master" and order.position_id is None
    exchange.store.execute(
        "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            deal_id,
            order.order_id,
            order.login,
            order.symbol,
            int(order.side),
            steps,
            steps if holds else 0,
            points,
            encode_rates(rates),
            tick.at_ms,
        ),
    )
    position_id, profit = _book(exchange, account, order, deal_id, steps, points, rates)
    _advance(exchange, order, cum_steps)
    event = exchange.tell(
        Fill,
        deal_id=str(deal_id),
        order_id=str(order.order_id),
        command_id=order.command_id,
        login=order.login,
        symbol=order.symbol,
        side=order.side,
        steps=steps,
        lots=spec.to_lots(steps),
        cum_steps=cum_steps,
        leaves_steps=order.steps - cum_steps,
        price=spec.to_price(points),
        rates=rates,
        position_id=position_id,
        profit=account.money(profit),
    )
    if exchange.faults.take("duplicate_fill"):
        exchange.tell_again(event)


def open_position(exchange: Exchange, account: Account, position_id: int) -> Position:
    """The open ticket, or the master's unallocated fill. RejectedError `position_unknown`."""
    row = exchange.store.one(
        "SELECT ticket_id AS id, symbol, side, open_steps AS steps, points, opened_ms AS at_ms,"
        " 0 AS unallocated FROM tickets WHERE ticket_id = ? AND login = ? AND open_steps > 0"
        " UNION ALL SELECT deal_id, symbol, side, unallocated, points, at_ms, 1"
        " FROM fills WHERE deal_id = ? AND login = ? AND unallocated > 0",
        (position_id, account.login, position_id, account.login),
    )
    if row is None:
        raise RejectedError(
            "position_unknown", f"account {account.login} has no open position {position_id}"
        )
    spec = SYMBOLS[row["symbol"]]
    return Position(
        position_id=row["id"],
        login=account.login,
        symbol=spec.name,
        side=Side(row["side"]),
        steps=row["steps"],
        lots=spec.to_lots(row["steps"]),
        open_price=spec.to_price(row["points"]),
        opened_at_ms=row["at_ms"],
        profit=Decimal(0),
        unallocated=bool(row["unallocated"]),
    )


def _book(
    exchange: Exchange,
    account: Account,
    order: Order,
    deal_id: int,
    steps: int,
    points: int,
    rates: dict[str, Decimal],
) -> tuple[int | None, int]:
    """Writes the deal and the position; (position id, realised P&L in minor units)."""
    store, now_ms = exchange.store, exchange.market.now_ms()
    kind, position_id, profit = "fill", order.position_id, 0
    if position_id is not None:
        kind = "out"
        profit = _close(exchange, account, order, steps, points, rates)
        store.execute(
            "UPDATE accounts SET balance = balance + ? WHERE login = ?", (profit, account.login)
        )
    elif account.kind != "master":
        kind, position_id = "in", _open(exchange, account, order, deal_id, steps, points)
    store.execute(
        "INSERT INTO deals (deal_id, login, kind, amount, at_ms, command_id, position_id, symbol,"
        " side, steps, points) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            deal_id,
            account.login,
            kind,
            profit,
            now_ms,
            None if order.command_id is None else str(order.command_id),
            position_id,
            order.symbol,
            int(order.side),
            steps,
            points,
        ),
    )
    return position_id, profit


def _open(
    exchange: Exchange, account: Account, order: Order, deal_id: int, steps: int, points: int
) -> int:
    """The position of this fill: one for an order, at the average price of its fills."""
    store, now_ms = exchange.store, exchange.market.now_ms()
    if order.cum_steps == 0:
        position_id = FIRST_OWN_TICKET + deal_id
        row = (account.login, order.symbol, int(order.side), steps, steps, points, now_ms)
        store.execute("INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (position_id, *row))
        return position_id
    earlier = store.all(
        "SELECT deal_id, steps, points FROM fills WHERE order_id = ? AND deal_id < ?"
        " ORDER BY deal_id",
        (order.order_id, deal_id),
    )
    position_id = FIRST_OWN_TICKET + int(earlier[0]["deal_id"])
    volume = steps + sum(row["steps"] for row in earlier)
    cost = steps * points + sum(row["steps"] * row["points"] for row in earlier)
    store.execute(
        "UPDATE tickets SET steps = steps + ?, open_steps = open_steps + ?, points = ?"
        " WHERE ticket_id = ?",
        (steps, steps, half_up_div(cost, volume), position_id),
    )
    return position_id


def _close(
    exchange: Exchange,
    account: Account,
    order: Order,
    steps: int,
    points: int,
    rates: dict[str, Decimal],
) -> int:
    """Takes `steps` off the position that `order` closes; its P&L in minor units."""
    rate = rates.get(account.currency)
    if rate is None:
        raise RejectedError("rate_missing", f"no rate to {account.currency} for {order.symbol}")
    assert order.position_id is not None
    position = open_position(exchange, account, order.position_id)
    exchange.store.execute(
        "UPDATE fills SET unallocated = unallocated - ? WHERE deal_id = ?"
        if position.unallocated
        else "UPDATE tickets SET open_steps = open_steps - ? WHERE ticket_id = ?",
        (steps, order.position_id),
    )
    open_points = SYMBOLS[order.symbol].to_points(position.open_price)
    profit = pnl_minor(
        int64([steps]),
        open_points,
        points,
        int(position.side),
        TERMS[order.symbol],
        rate,
        account.digits,
    )
    return int(profit[0])


def _advance(exchange: Exchange, order: Order, cum_steps: int) -> None:
    full = cum_steps == order.steps
    exchange.store.execute(
        "UPDATE orders SET cum_steps = ?, status = ? WHERE order_id = ?",
        (cum_steps, "filled" if full else "working", order.order_id),
    )

    def remember() -> None:
        order.cum_steps = cum_steps
        if full:
            exchange.forget_order(order)

    exchange.after_commit(remember)
