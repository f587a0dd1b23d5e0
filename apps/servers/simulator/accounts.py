"""Accounts: opening them and moving their money."""

from __future__ import annotations

from apps.core.errors import RejectedError
from apps.servers.acks import Done
from apps.servers.commands import BalanceOperation, CreateAccount
from apps.servers.events import AccountChanged, BalanceChanged
from apps.servers.simulator import valuation
from apps.servers.simulator.exchange import Account, Exchange
from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES

FIRST_LOGIN = 100_001


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
        free = valuation.states(exchange, [account.login])[0].free
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
