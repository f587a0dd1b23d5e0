"""An account joins a master: opened on the trading server when it is new, then told the engine."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, TradingAccount, User
from apps.core.errors import InputError
from apps.engine.links import join
from apps.engine.provisioning import open_account


def link_account(
    broker: str,
    master: Master,
    actor: User,
    *,
    command_id: UUID,
    account: TradingAccount | None,
    investor: User | None,
    currency: str,
    leverage: int | None,
    deposit: Decimal | None,
) -> Link:
    """The active link. Repeating the same `command_id` opens no second account.

    Raises what the trading server and the engine answer; after an unknown outcome call again with
    the same arguments.
    """
    if account is None:
        if investor is None or leverage is None:
            raise InputError(
                "account_missing", "Choose an account, or an investor to open one for."
            )
        account = open_account(
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
    return join(broker, master, account, actor).link


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
