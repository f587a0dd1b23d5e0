"""What accounts are worth at the current quotes.

floating: each position at the price it would close at (bid for a buy, ask for a sell), rounded
per position by the one P&L formula; a position whose symbol has no quote or no rate yet counts 0.
margin (core.margin): of hedged volume the larger leg, at mid prices, at the lower leverage of
account and symbol. A master is never refused an order for money: its blocks are given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from apps.core.errors import RejectedError
from apps.core.ints import Int64Array, half_up, int64
from apps.core.margin import cfd_margin, effective_leverage, forex_margin, margin_level
from apps.core.pnl import pnl_minor
from apps.servers.simulator.exchange import Account, Exchange
from apps.servers.simulator.rates import Ticks, rate
from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES, SYMBOLS, TERMS
from apps.servers.types import AccountState, Position, Side, SymbolSpec

CURRENCIES = tuple(ACCOUNT_CURRENCIES)
CENT = Decimal("0.01")
OPEN_ROWS = (
    "SELECT position, t.symbol, t.side, t.open_steps, t.points, t.ticket_id, t.opened_ms, 0"
    " FROM wanted JOIN tickets t ON t.login = wanted.id AND t.open_steps > 0"
    " UNION ALL SELECT position, f.symbol, f.side, f.unallocated, f.points, f.deal_id, f.at_ms, 1"
    " FROM wanted JOIN fills f ON f.login = wanted.id AND f.unallocated > 0"
)


def names() -> tuple[str, ...]:
    """This process's symbols; positions name them by their index here."""
    return tuple(SYMBOLS)


class Open(NamedTuple):
    """Open positions of some accounts, one row each. Vectors are int64."""

    accounts: list[Account]  # what `account` points into
    account: Int64Array
    symbol: Int64Array  # index in names()
    side: Int64Array
    steps: Int64Array
    points: Int64Array  # of opening
    position_id: Int64Array
    opened_ms: Int64Array
    unallocated: Int64Array


def open_positions(exchange: Exchange, logins: Sequence[int]) -> Open:
    code = {name: index for index, name in enumerate(names())}
    rows = exchange.store.tuples_by_ids(OPEN_ROWS, logins)
    columns = list(zip(*rows, strict=True)) or [()] * 8
    columns[1] = tuple(code[name] for name in columns[1])
    vectors = [int64(column) for column in columns]
    return Open([exchange.accounts[login] for login in logins], *vectors)


def positions(exchange: Exchange, logins: Sequence[int]) -> list[Position]:
    """Open tickets and unallocated fills of these accounts, with their floating P&L."""
    held = open_positions(exchange, logins)
    columns = [vector.tolist() for vector in (*held[1:], floating(held, exchange.market.ticks))]
    found = []
    for account, symbol, side, steps, points, number, at_ms, given, profit in zip(
        *columns, strict=True
    ):
        spec = SYMBOLS[names()[symbol]]
        owner = held.accounts[account]
        found.append(
            Position(
                position_id=number,
                login=owner.login,
                symbol=spec.name,
                side=Side(side),
                steps=steps,
                lots=spec.to_lots(steps),
                open_price=spec.to_price(points),
                opened_at_ms=at_ms,
                profit=owner.money(profit),
                unallocated=bool(given),
            )
        )
    return found


def states(exchange: Exchange, logins: Sequence[int]) -> list[AccountState]:
    """These accounts, in this order, valued now. Every login must exist."""
    held = open_positions(exchange, logins)
    ticks = exchange.market.ticks
    floated = np.zeros(len(logins), dtype=np.int64)
    np.add.at(floated, held.account, floating(held, ticks))
    balances = exchange.store.by_ids(
        "SELECT a.balance, a.credit FROM wanted JOIN accounts a ON a.login = wanted.id"
        " ORDER BY wanted.position",
        logins,
    )
    at_ms = exchange.market.now_ms()
    rows = zip(held.accounts, balances, floated.tolist(), margins(held, ticks), strict=True)
    return [
        _state(account, row["balance"], row["credit"], float_minor, margin, at_ms)
        for account, row, float_minor, margin in rows
    ]


def check_margin(
    exchange: Exchange, account: Account, spec: SymbolSpec, side: Side, steps: int
) -> None:
    """RejectedError `no_money` when the free margin does not carry `steps` more."""
    held = open_positions(exchange, [account.login])
    ticks = exchange.market.ticks
    more = held._replace(
        account=np.append(held.account, 0),
        symbol=np.append(held.symbol, names().index(spec.name)),
        side=np.append(held.side, int(side)),
        steps=np.append(held.steps, steps),
    )
    free = account.minor(states(exchange, [account.login])[0].free)
    if margins(more, ticks)[0] - margins(held, ticks)[0] > free:
        raise RejectedError("no_money", f"account {account.login} lacks free margin for this")


def floating(held: Open, ticks: Ticks) -> Int64Array:
    """Minor units of each row's account; one vector call per (symbol, side, currency)."""
    profits = np.zeros_like(held.steps)
    currency = int64([CURRENCIES.index(account.currency) for account in held.accounts])
    group = (held.symbol * 2 + (held.side > 0)) * len(CURRENCIES) + currency[held.account]
    for number in np.unique(group).tolist():
        kind, money = divmod(number, len(CURRENCIES))
        symbol, is_buy = names()[kind // 2], kind % 2 == 1
        tick = ticks.get(symbol)
        conversion = rate(SYMBOLS[symbol].profit_currency, CURRENCIES[money], ticks)
        if tick is None or conversion is None:
            continue
        chosen = group == number
        profits[chosen] = pnl_minor(
            held.steps[chosen],
            held.points[chosen],
            tick.bid if is_buy else tick.ask,
            1 if is_buy else -1,
            TERMS[symbol],
            conversion,
            ACCOUNT_CURRENCIES[CURRENCIES[money]],
        )
    return profits


def margins(held: Open, ticks: Ticks) -> list[int]:
    """Minor units of margin that each of `held.accounts` uses."""
    legs = np.zeros((2, len(held.accounts), len(SYMBOLS)), dtype=np.int64)
    np.add.at(legs, (int64(held.side > 0), held.account, held.symbol), held.steps)
    larger = legs.max(axis=0)
    used = [0] * len(held.accounts)
    per_step: dict[tuple[int, str, int], Fraction] = {}
    for index, symbol in np.argwhere(larger).tolist():
        account = held.accounts[index]
        key = symbol, account.currency, account.leverage
        if key not in per_step:
            per_step[key] = _margin_of_one_step(account, SYMBOLS[names()[symbol]], ticks)
        used[index] += half_up(per_step[key] * int(larger[index, symbol]))
    return used


def _margin_of_one_step(account: Account, spec: SymbolSpec, ticks: Ticks) -> Fraction:
    """Minor units; 0 while there is no quote for it."""
    tick = ticks.get(spec.name)
    source = spec.margin_currency if spec.margin_mode == "fx" else spec.profit_currency
    conversion = rate(source, account.currency, ticks)
    if tick is None or conversion is None:
        return Fraction(0)
    leverage = effective_leverage(account.leverage, spec.max_leverage)
    if spec.margin_mode == "fx":
        margin = forex_margin(spec.volume_step, spec.contract_size, leverage, conversion)
    else:
        mid = Decimal(tick.bid + tick.ask).scaleb(-spec.digits) / 2
        margin = cfd_margin(spec.volume_step, spec.contract_size, mid, leverage, conversion)
    minor_per_unit: int = 10**account.digits
    return margin * minor_per_unit


def _state(
    account: Account, balance: int, credit: int, floated: int, margin: int, at_ms: int
) -> AccountState:
    equity = balance + credit + floated
    level = margin_level(equity, margin)
    return AccountState(
        login=account.login,
        name=account.name,
        kind=account.kind,
        currency=account.currency,
        leverage=account.leverage,
        balance=account.money(balance),
        credit=account.money(credit),
        floating=account.money(floated),
        equity=account.money(equity),
        margin=account.money(margin),
        free=account.money(equity - margin),
        level=None if level is None else Decimal(half_up(level * 100)) * CENT,
        at_ms=at_ms,
    )
