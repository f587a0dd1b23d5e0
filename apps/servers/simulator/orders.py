"""Orders: market, limit and stop, at bid and ask; their triggers, changes and ends.

A market order fills at once at the current ask (buy) or bid (sell). A limit fills at the market
once that is at its price or better, a stop once that is at its price or worse. Both rest in the
store, across restarts. There are no time-outs but `expires_at_ms`.
"""

from __future__ import annotations

from uuid import UUID

from apps.core.errors import RejectedError
from apps.servers.acks import Done
from apps.servers.commands import AmendOrder, CancelOrder, ClosePosition, SubmitOrder
from apps.servers.events import (
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderRejected,
)
from apps.servers.simulator import fills, valuation
from apps.servers.simulator.exchange import Exchange, Order
from apps.servers.simulator.rates import Tick
from apps.servers.simulator.symbols import SYMBOLS, symbol_named
from apps.servers.types import Position, Side, SymbolSpec


def submit(exchange: Exchange, command: SubmitOrder, *, outside: bool = False) -> Done:
    """`outside`: from a terminal or an EA on that login; events carry no command id."""
    account = exchange.account(command.login)
    if not outside:
        _refuse_by_fault(exchange)
    spec = symbol_named(command.symbol)
    steps = checked_steps(spec, spec.to_steps(command.lots))
    tick = dealable(exchange, spec.name)
    command_id = None if outside else command.command_id
    order = _new_order(exchange, command, command_id, spec, steps, tick)
    if account.kind != "master":
        valuation.check_margin(exchange, account, spec, order.side, steps)
    _accept(exchange, order, tick)
    return Done(command.command_id, order_id=str(order.order_id))


def _refuse_by_fault(exchange: Exchange) -> None:
    if exchange.faults.take("reject"):
        raise RejectedError("requote", "a fault: this order is refused")


def close_position(exchange: Exchange, command: ClosePosition) -> Done:
    account = exchange.account(command.login)
    _refuse_by_fault(exchange)
    position = fills.open_position(exchange, account, command.position_id)
    spec = SYMBOLS[position.symbol]
    steps = position.steps if command.lots is None else spec.to_steps(command.lots)
    if not 1 <= steps <= position.steps:
        raise RejectedError(
            "volume_above_max", f"position {command.position_id} has {position.lots} lots open"
        )
    tick = dealable(exchange, spec.name)
    order = close_held(exchange, position, steps, command.command_id, tick)
    return Done(command.command_id, order_id=str(order.order_id))


def close_held(
    exchange: Exchange, position: Position, steps: int, command_id: UUID | None, tick: Tick
) -> Order:
    """Close `steps` of a position at the market. `command_id` None: the server does it itself."""
    order = Order(
        order_id=exchange.store.new_order(),
        command_id=command_id,
        login=position.login,
        symbol=position.symbol,
        side=position.side.opposite,
        kind="market",
        steps=steps,
        cum_steps=0,
        points=None,
        placed_ms=exchange.market.now_ms(),
        expires_ms=None,
        slice_steps=None,
        position_id=position.position_id,
    )
    _accept(exchange, order, tick)
    return order


def amend(exchange: Exchange, command: AmendOrder) -> Done:
    order = exchange.working_order(command.order_id)
    if order.kind == "market":
        raise RejectedError("order_not_open", f"order {command.order_id} is a market order")
    spec = SYMBOLS[order.symbol]
    points = spec.to_points(command.price)
    tick = dealable(exchange, order.symbol)
    _check_price(spec, order.kind, order.side, points, tick)
    _check_expiry(exchange, command.expires_at_ms)
    exchange.store.execute(
        "UPDATE orders SET points = ?, expires_ms = ? WHERE order_id = ?",
        (points, command.expires_at_ms, order.order_id),
    )
    order_id = str(order.order_id)
    exchange.tell(
        OrderAmended,
        order_id=order_id,
        command_id=order.command_id,
        login=order.login,
        price=spec.to_price(points),
    )

    def remember() -> None:
        order.points, order.expires_ms = points, command.expires_at_ms

    exchange.after_commit(remember)
    return Done(command.command_id, order_id=order_id)


def cancel(exchange: Exchange, command: CancelOrder) -> Done:
    order = exchange.working_order(command.order_id)
    _end(exchange, order, "cancelled")
    exchange.tell(OrderCancelled, **_ended(order))
    late = exchange.faults.take("late_fill")
    if late is not None:
        order.slice_steps = late.steps
        fills.fill(exchange, order, dealable(exchange, order.symbol))
        _end(exchange, order, "cancelled")
    return Done(command.command_id, order_id=command.order_id)


def on_tick(exchange: Exchange, symbol: str, tick: Tick) -> None:
    """Fills what this price triggers, in the order the orders were placed."""
    triggered = [o for o in exchange.working.get(symbol, {}).values() if is_triggered(o, tick)]
    if not triggered:
        return
    with exchange.change():
        for order in triggered:
            if order.expires_ms is None or tick.at_ms < order.expires_ms:
                _fill_or_refuse(exchange, order, tick)


def expire(exchange: Exchange) -> None:
    """Ends the working orders whose time is over."""
    now_ms = exchange.market.now_ms()
    late = [
        order
        for orders in exchange.working.values()
        for order in orders.values()
        if order.expires_ms is not None and order.expires_ms <= now_ms
    ]
    if late:
        with exchange.change():
            for order in late:
                _end(exchange, order, "expired")
                exchange.tell(OrderExpired, **_ended(order))


def is_triggered(order: Order, tick: Tick) -> bool:
    if order.points is None:  # a market order with a part still to fill
        return True
    price = tick.ask if order.side is Side.BUY else tick.bid
    if order.kind == "limit":
        return (price - order.points) * order.side <= 0
    return (price - order.points) * order.side >= 0


def dealable(exchange: Exchange, symbol: str) -> Tick:
    """The tick to deal on. RejectedError `market_closed` | `no_quote` | `stale_quote`."""
    code = exchange.market.why_not(symbol)
    if code is not None:
        raise RejectedError(code, f"{symbol} cannot be dealt now: {code.replace('_', ' ')}")
    return exchange.market.ticks[symbol]


def checked_steps(spec: SymbolSpec, steps: int) -> int:
    if steps < spec.min_steps:
        raise RejectedError(
            "volume_below_min", f"{spec.name}: at least {spec.volume_min} lots", symbol=spec.name
        )
    if steps > spec.max_steps:
        raise RejectedError(
            "volume_above_max", f"{spec.name}: at most {spec.volume_max} lots", symbol=spec.name
        )
    return steps


def _new_order(
    exchange: Exchange,
    command: SubmitOrder,
    command_id: UUID | None,
    spec: SymbolSpec,
    steps: int,
    tick: Tick,
) -> Order:
    points = None
    if command.kind != "market":
        if command.price is None:
            raise RejectedError("price_required", f"a {command.kind} order needs its price")
        points = spec.to_points(command.price)
        _check_price(spec, command.kind, command.side, points, tick)
        _check_expiry(exchange, command.expires_at_ms)
    partial = exchange.faults.take("partial")
    return Order(
        order_id=exchange.store.new_order(),
        command_id=command_id,
        login=command.login,
        symbol=spec.name,
        side=command.side,
        kind=command.kind,
        steps=steps,
        cum_steps=0,
        points=points,
        placed_ms=exchange.market.now_ms(),
        expires_ms=command.expires_at_ms if points is not None else None,
        slice_steps=partial.steps if partial else None,
        position_id=None,
    )


def _check_price(spec: SymbolSpec, kind: str, side: Side, points: int, tick: Tick) -> None:
    """A stop must lie beyond the market; a limit inside it is simply filled at once."""
    if points <= 0:
        raise RejectedError("price_wrong_side", "a price must be positive")
    market = tick.ask if side is Side.BUY else tick.bid
    if kind == "stop" and (points - market) * side <= 0:
        raise RejectedError(
            "price_wrong_side",
            f"a {side.name.lower()} stop at {spec.to_price(points)} is already reached: "
            f"the market is at {spec.to_price(market)}",
        )


def _check_expiry(exchange: Exchange, expires_at_ms: int | None) -> None:
    if expires_at_ms is not None and expires_at_ms <= exchange.market.now_ms():
        raise RejectedError("expiry_invalid", "the order would expire in the past")


def _accept(exchange: Exchange, order: Order, tick: Tick) -> None:
    exchange.store.execute(
        "INSERT INTO orders (order_id, command_id, login, symbol, side, kind, status, steps,"
        " points, placed_ms, expires_ms, slice_steps, position_id)"
        " VALUES (?, ?, ?, ?, ?, ?, 'working', ?, ?, ?, ?, ?, ?)",
        (
            order.order_id,
            None if order.command_id is None else str(order.command_id),
            order.login,
            order.symbol,
            int(order.side),
            order.kind,
            order.steps,
            order.points,
            order.placed_ms,
            order.expires_ms,
            order.slice_steps,
            order.position_id,
        ),
    )
    exchange.after_commit(lambda: exchange.remember_order(order))
    fill_first = exchange.faults.take("reorder") is not None
    if not fill_first:
        _tell_accepted(exchange, order)
    if is_triggered(order, tick):
        fills.fill(exchange, order, tick)
    if fill_first:
        _tell_accepted(exchange, order)


def _tell_accepted(exchange: Exchange, order: Order) -> None:
    exchange.tell(
        OrderAccepted,
        order_id=str(order.order_id),
        command_id=order.command_id,
        login=order.login,
        symbol=order.symbol,
        side=order.side,
        steps=order.steps,
    )


def _fill_or_refuse(exchange: Exchange, order: Order, tick: Tick) -> None:
    account = exchange.account(order.login)
    try:
        if account.kind != "master" and order.position_id is None:
            spec = SYMBOLS[order.symbol]
            valuation.check_margin(exchange, account, spec, order.side, order.leaves_steps)
    except RejectedError as error:
        _end(exchange, order, "cancelled")
        exchange.tell(
            OrderRejected,
            order_id=str(order.order_id),
            command_id=order.command_id,
            login=order.login,
            code=error.code,
            raw=error.message,
        )
        return
    fills.fill(exchange, order, tick)


def _end(exchange: Exchange, order: Order, status: str) -> None:
    exchange.store.execute(
        "UPDATE orders SET status = ? WHERE order_id = ?", (status, order.order_id)
    )
    exchange.after_commit(lambda: exchange.forget_order(order))


def _ended(order: Order) -> dict[str, object]:
    return {
        "order_id": str(order.order_id),
        "command_id": order.command_id,
        "login": order.login,
        "leaves_steps": order.leaves_steps,
    }
