"""An account joins a master: opened on the trading server when it is new, then told the engine."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, TradingAccount, User
from apps.core.book.commands import JoinMode, LinkAccount
from apps.core.errors import InputError
from apps.engine import client
from apps.engine.links import Joining, join
from apps.engine.provisioning import open_account

TAKES_OVER = ("proportional_at_market", "only_losing")
"""Modes whose cost is quoted before the account joins."""


def account_to_link(
    master: Master,
    actor: User,
    *,
    command_id: UUID,
    account: TradingAccount | None,
    investor: User | None,
    currency: str,
    leverage: int | None,
    deposit: Decimal | None,
) -> TradingAccount:
    """The account chosen, or one opened now. Repeating the same `command_id` opens no second.

    Raises what the trading server answers; after an unknown outcome call again with the same
    arguments.
    """
    if account is not None:
        return account
    if investor is None or leverage is None:
        raise InputError("account_missing", "Choose an account, or an investor to open one for.")
    return open_account(
        master.account.server,
        command_id=command_id,
        kind="sub",
        currency=currency,
        leverage=leverage,
        deposit=deposit or Decimal(0),
        owner=investor,
        name=str(investor),
        actor=actor,
    )


def link_account(
    broker: str,
    master: Master,
    actor: User,
    account: TradingAccount,
    *,
    command_id: UUID,
    mode: JoinMode = "new_trades_only",
    token: str = "",
) -> Link:
    """The link; active, or (when flat) invited until the book is. Raises what the engine answers;
    after an unknown outcome call again with the same arguments."""
    joining = Joining(mode=mode, token=token, command_id=command_id)
    return join(broker, master, account, actor, joining).link


def quote_link(
    broker: str, master: Master, account: TradingAccount, mode: JoinMode
) -> client.JoinQuote:
    """What the account would take over now, and what that costs it. Nothing is written."""
    command = LinkAccount(command_id=UUID(int=0), account_id=account.pk, mode=mode)
    return client.preview_join(broker, master.public_id, command)


def set_public(actor: User, master: Master, is_public: bool, *, request_id: str = "") -> None:
    """Whether the master may appear on leaderboards."""
    with transaction.atomic():
        changed = Master.objects.filter(pk=master.pk, is_public=not is_public).update(
            is_public=is_public
        )
        if changed:
            audit(
                actor,
                "master.publish" if is_public else "master.unpublish",
                f"master:{master.public_id}",
                before={"is_public": not is_public},
                after={"is_public": is_public},
                request_id=request_id,
            )
