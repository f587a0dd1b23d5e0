"""A new master: its account opened on the trading server, its row, its book found by an engine."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Master, Role, TradingServer, User
from apps.core.errors import InputError, UnavailableError
from apps.engine.client import wake
from apps.engine.provisioning import open_account


def create_master(
    server: TradingServer,
    manager: User,
    actor: User,
    *,
    command_id: UUID,
    name: str,
    description: str,
    currency: str,
    leverage: int,
    is_public: bool,
    request_id: str = "",
) -> Master:
    """The master, allocating by equity until its rule is changed. Repeating the same `command_id`
    with the same terms makes no second account and no second row.

    Raises InputError("manager_invalid"); what `open_account` raises: after UnknownOutcomeError
    call again with the same arguments.
    """
    if not manager.has_role(Role.MANAGER):
        raise InputError(
            "manager_invalid", f"{manager} is not an active manager.", manager=manager.email
        )
    account = open_account(
        server,
        command_id=command_id,
        kind="master",
        currency=currency,
        leverage=leverage,
        deposit=Decimal(0),
        owner=manager,
        name=name,
        actor=actor,
    )
    with transaction.atomic():
        master, is_new = Master.objects.get_or_create(
            account=account,
            defaults={
                "manager": manager,
                "name": name,
                "description": description,
                "rule": {"method": "equity"},
                "is_public": is_public,
            },
        )
        if is_new:
            audit(
                actor,
                "master.create",
                f"master:{master.public_id}",
                after={
                    "name": name,
                    "manager": manager.email,
                    "server": server.name,
                    "login": account.login,
                    "currency": currency,
                    "leverage": leverage,
                    "is_public": is_public,
                },
                request_id=request_id,
            )
    with contextlib.suppress(UnavailableError):  # engines look for new books by themselves too
        wake()
    return master
