"""Accounts on trading servers: opened there first, then recorded here.

The call to the server is idempotent by `command_id` and never inside a transaction; the row
follows, so a crash between the two is healed by the same call again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import TradingAccount, TradingServer, User
from apps.accounts.standing import Capability, require
from apps.core.errors import RejectedError, UnknownOutcomeError
from apps.servers.acks import Rejected, Unknown
from apps.servers.base import TradingServer as Adapter
from apps.servers.commands import CreateAccount
from apps.servers.registry import open_server
from apps.servers.types import AccountKind

T = TypeVar("T")


def with_adapter(server: TradingServer, use: Callable[[Adapter], Awaitable[T]]) -> T:
    """Connect to the server, run `use`, close. Synchronous: for workers and commands.

    Raises UnavailableError when nobody answers, ForbiddenError when the secret is refused.
    """
    config = {**server.config, "token": server.secret()}

    async def session() -> T:
        adapter = open_server(server.kind, config)
        await adapter.connect()
        try:
            return await use(adapter)
        finally:
            await adapter.close()

    return asyncio.run(session())


def open_account(
    server: TradingServer,
    *,
    command_id: UUID,
    kind: AccountKind,
    currency: str,
    leverage: int,
    deposit: Decimal,
    owner: User | None,
    name: str = "",
    actor: User | None = None,
) -> TradingAccount:
    """Open an account on `server` and record it. Repeating the same `command_id` opens no second.

    Raises RejectedError with the server's code; UnknownOutcomeError when it did not answer (call
    again with the same `command_id`); ForbiddenError of the broker's standing.
    """
    require(Capability.GROW)
    (account,) = open_accounts(
        server,
        [CreateAccount(command_id=command_id, kind=kind, currency=currency, leverage=leverage,
                       deposit=deposit, name=name)],
        [owner],
        actor=actor,
    )  # fmt: skip
    return account


def open_accounts(
    server: TradingServer,
    commands: list[CreateAccount],
    owners: list[User | None],
    *,
    actor: User | None = None,
) -> list[TradingAccount]:
    """`open_account` for many, over one session. Rows are written together at the end."""

    async def create_all(adapter: Adapter) -> list[int]:
        return [_login(await adapter.create_account(command), command) for command in commands]

    logins = with_adapter(server, create_all)
    with transaction.atomic():
        return [
            _record(server, command, login, owner, actor)
            for command, login, owner in zip(commands, logins, owners, strict=True)
        ]


def _login(ack: object, command: CreateAccount) -> int:
    if isinstance(ack, Rejected):
        raise RejectedError(ack.code, ack.message, raw=ack.raw)
    if isinstance(ack, Unknown):
        raise UnknownOutcomeError(
            "no_answer",
            "The trading server did not say whether it opened the account; ask again.",
            command_id=str(command.command_id),
        )
    login = getattr(ack, "login", None)
    assert login is not None, "create_account was done without a login"
    return int(login)


def _record(
    server: TradingServer,
    command: CreateAccount,
    login: int,
    owner: User | None,
    actor: User | None,
) -> TradingAccount:
    account, is_new = TradingAccount.objects.get_or_create(
        server=server,
        login=login,
        defaults={
            "kind": command.kind,
            "owner": owner,
            "currency": command.currency,
            "leverage": command.leverage,
        },
    )
    if is_new:
        audit(
            actor,
            "account.open",
            f"account:{account.public_id}",
            after={"login": login, "currency": command.currency, "kind": command.kind},
        )
    return account
