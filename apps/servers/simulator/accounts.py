"""Accounts: opening them, moving their money, valuing them at the current quotes.

floating: each position at the price it would close at (bid for a buy, ask for a sell), rounded
per position by the one P&L formula; a position whose symbol has no quote or no rate yet counts 0.
margin (math.md §2): fx lots·contract/leverage·(base → account), cfd lots·contract·mid/leverage·
(profit → account); of hedged volume the larger leg; leverage is the lower of account and symbol.
A master is never refused an order for money: its blocks are given up to others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

from apps.core.errors import RejectedError
from apps.core.ints import int64
from apps.core.pnl import pnl_minor
from apps.servers.acks import Done
from apps.servers.commands import BalanceOperation, CreateAccount
from apps.servers.events import AccountChanged, BalanceChanged
from apps.servers.simulator.exchange import Account, Exchange
from apps.servers.simulator.rates import Ticks, rate
from apps.servers.simulator.store import Row
from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES, SYMBOLS, TERMS
from apps.servers.types import AccountState, Position, Side, SymbolSpec

FIRST_LOGIN = 100_001
CENT = Decimal("0.01")
OPEN_ROWS = (
    "SELECT t.ticket_id AS id, t.login, t.symbol, t.side, t.open_steps AS steps, t.points,"
    " t.opened_ms AS at_ms, 0 AS unallocated FROM wanted"
    " JOIN tickets t ON t.login = wanted.id AND t.open_steps > 0"
    " UNION ALL SELECT f.deal_id, f.login, f.symbol, f.side, f.unallocated, f.points, f.at_ms, 1"
    " FROM wanted JOIN fills f ON f.login = wanted.id AND f.unallocated > 0"
)


def create(exchange: Exchange, command: CreateAccount) -> Done:
    if command.currency not in ACCOUNT_CURRENCIES:
        raise RejectedError("currency_unknown", f"no accounts in {command.currency!r} here")
    if not 1 <= command.leverage <= 1000:
        raise RejectedError("leverage_invalid", "leverage is 1 to 1000")
    login = command.login
    if login is None:
        login = max([FIRST_LOGIN - 1, *exchange.accounts]) + 1
    if login in exchange.accounts:
        raise RejectedError("account_exists", f"account {login} exists")
    if not 1 <= login < 2**53:
        raise RejectedError("account_unknown", "a login is 1 to 2^53 − 1")
    account = Account(login, command.kind, command.currency, command.leverage, command.name)
    exchange.store.execute(
        "INSERT INTO accounts (login, kind, currency, leverage, name, created_ms)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            login,
            account.kind,
            account.currency,
            account.leverage,
            account.name,
            exchange.market.now_ms(),
        ),
    )
    exchange.tell(AccountChanged, login=login, created=True)
    if command.deposit:
        amount = account.minor(command.deposit)
        if amount < 0:
            raise RejectedError("amount_invalid", "a first deposit cannot be negative")
        _post(exchange, account, "deposit", amount, str(command.command_id), "first deposit")
    exchange.after_commit(lambda: exchange.accounts.__setitem__(login, account))
    return Done(command.command_id, login=login)


def balance(exchange: Exchange, command: BalanceOperation) -> Done:
    account = exchange.account(command.login)
    amount = account.minor(command.amount)
    if amount == 0 or (amount < 0 and command.kind in ("deposit", "withdrawal", "fee")):
        raise RejectedError("amount_invalid", f"{command.amount} is no amount for {command.kind}")
    held, credit = exchange.balance_of(account.login)
    if command.kind == "withdrawal":
        free = states(exchange, [account.login])[0].free
        if amount > min(held, account.minor(free) - credit):
            raise RejectedError("no_money", f"account {account.login} has less than that free")
    if command.kind == "fee" and amount > held:
        raise RejectedError("no_money", f"account {account.login} has a smaller balance")
    if command.kind == "credit" and credit + amount < 0:
        raise RejectedError("no_money", f"account {account.login} has less credit than that")
    signed = -amount if command.kind in ("withdrawal", "fee") else amount
    deal_id = _post(
        exchange, account, command.kind, signed, str(command.command_id), command.comment
    )
    exchange.tell(
        BalanceChanged,
        deal_id=str(deal_id),
        command_id=command.command_id,
        login=account.login,
        kind=command.kind,
        amount=account.money(signed),
        balance=account.money(exchange.balance_of(account.login)[0]),
    )
    return Done(command.command_id, deal_id=str(deal_id), login=account.login)


def _post(
    exchange: Exchange, account: Account, kind: str, amount: int, command_id: str, comment: str
) -> int:
    deal_id = exchange.store.new_deals()
    exchange.store.execute(
        "INSERT INTO deals (deal_id, login, kind, amount, at_ms, command_id, comment)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            deal_id,
            account.login,
            kind,
            amount,
            exchange.market.now_ms(),
            command_id,
            comment,
        ),
    )
    exchange.store.execute(
        "UPDATE accounts SET credit = credit + ? WHERE login = ?"
        if kind == "credit"
        else "UPDATE accounts SET balance = balance + ? WHERE login = ?",
        (amount, account.login),
    )
    return deal_id


# -- valuation


def positions(exchange: Exchange, logins: Sequence[int]) -> list[Position]:
    """Open tickets and unallocated fills of these accounts, with their floating P&L."""
    rows = exchange.store.by_ids(OPEN_ROWS, logins)
    profits = _floating(exchange, rows)
    return [
        Position(
            position_id=row["id"],
            login=row["login"],
            symbol=row["symbol"],
            side=Side(row["side"]),
            steps=row["steps"],
            lots=SYMBOLS[row["symbol"]].to_lots(row["steps"]),
            open_price=SYMBOLS[row["symbol"]].to_price(row["points"]),
            opened_at_ms=row["at_ms"],
            profit=exchange.accounts[row["login"]].money(profit),
            unallocated=bool(row["unallocated"]),
        )
        for row, profit in zip(rows, profits, strict=True)
    ]


def states(exchange: Exchange, logins: Sequence[int]) -> list[AccountState]:
    """These accounts, in this order, valued now. Every login must exist."""
    rows = exchange.store.by_ids(OPEN_ROWS, logins)
    floating: dict[int, int] = defaultdict(int)
    for row, profit in zip(rows, _floating(exchange, rows), strict=True):
        floating[row["login"]] += profit
    margin = _margins(exchange, rows)
    held = exchange.store.by_ids(
        "SELECT a.login, a.balance, a.credit FROM wanted JOIN accounts a ON a.login = wanted.id"
        " ORDER BY wanted.position",
        logins,
    )
    return [
        _state(exchange, row, floating[row["login"]], margin.get(row["login"], 0)) for row in held
    ]


def check_margin(
    exchange: Exchange, account: Account, spec: SymbolSpec, side: Side, steps: int
) -> None:
    """RejectedError `no_money` when the free margin does not carry `steps` more."""
    rows = exchange.store.by_ids(OPEN_ROWS, [account.login])
    legs = _legs(rows).get((account.login, spec.name), {})
    more = {**legs, side: legs.get(side, 0) + steps}
    ticks = exchange.market.ticks
    before = _margin_minor(account, spec, max(legs.values(), default=0), ticks)
    after = _margin_minor(account, spec, max(more.values()), ticks)
    free = account.minor(states(exchange, [account.login])[0].free)
    if after - before > free:
        raise RejectedError("no_money", f"account {account.login} lacks free margin for this")


def _state(exchange: Exchange, row: Row, floating: int, margin: int) -> AccountState:
    account = exchange.accounts[row["login"]]
    equity = row["balance"] + row["credit"] + floating
    return AccountState(
        login=account.login,
        name=account.name,
        kind=account.kind,
        currency=account.currency,
        leverage=account.leverage,
        balance=account.money(row["balance"]),
        credit=account.money(row["credit"]),
        floating=account.money(floating),
        equity=account.money(equity),
        margin=account.money(margin),
        free=account.money(equity - margin),
        level=(Decimal(equity) * 100 / margin).quantize(CENT) if margin else None,
        at_ms=exchange.market.now_ms(),
    )


def _floating(exchange: Exchange, rows: Sequence[Row]) -> list[int]:
    """Minor units of each row's account; one vector call per (symbol, side, currency)."""
    groups: dict[tuple[str, int, str], list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        currency = exchange.accounts[row["login"]].currency
        groups[row["symbol"], row["side"], currency].append(index)
    profits = [0] * len(rows)
    ticks = exchange.market.ticks
    for (symbol, side, currency), members in groups.items():
        tick = ticks.get(symbol)
        conversion = rate(SYMBOLS[symbol].profit_currency, currency, ticks)
        if tick is None or conversion is None:
            continue
        vector = pnl_minor(
            int64([rows[i]["steps"] for i in members]),
            int64([rows[i]["points"] for i in members]),
            tick.bid if side == Side.BUY else tick.ask,
            side,
            TERMS[symbol],
            conversion,
            ACCOUNT_CURRENCIES[currency],
        )
        for index, profit in zip(members, vector.tolist(), strict=True):
            profits[index] = profit
    return profits


def _legs(rows: Sequence[Row]) -> dict[tuple[int, str], dict[int, int]]:
    """{(login, symbol): {side: steps}}"""
    legs: dict[tuple[int, str], dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in rows:
        legs[row["login"], row["symbol"]][row["side"]] += row["steps"]
    return legs


def _margins(exchange: Exchange, rows: Sequence[Row]) -> dict[int, int]:
    margins: dict[int, int] = defaultdict(int)
    for (login, symbol), sides in _legs(rows).items():
        margins[login] += _margin_minor(
            exchange.accounts[login], SYMBOLS[symbol], max(sides.values()), exchange.market.ticks
        )
    return margins


def _margin_minor(account: Account, spec: SymbolSpec, steps: int, ticks: Ticks) -> int:
    tick = ticks.get(spec.name)
    source = spec.margin_currency if spec.margin_mode == "fx" else spec.profit_currency
    conversion = rate(source, account.currency, ticks)
    if tick is None or conversion is None:
        return 0
    value = spec.to_lots(steps) * spec.contract_size * conversion
    if spec.margin_mode == "cfd":
        value *= Decimal(tick.bid + tick.ask).scaleb(-spec.digits) / 2
    margin = (value / min(account.leverage, spec.max_leverage)).scaleb(account.digits)
    return int(margin.to_integral_value(ROUND_HALF_UP))
