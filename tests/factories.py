"""Typed factories: a person, a server, accounts, a master, links. Inside an open schema."""

from __future__ import annotations

import itertools
from decimal import Decimal

from django.utils import timezone

from apps.accounts.models import Link, Master, Symbol, TradingAccount, TradingServer, User

_numbers = itertools.count(1)


def person(*roles: str, email: str | None = None, password: str = "a-long-password-1") -> User:
    return User.objects.create_user(
        email or f"person{next(_numbers)}@example.test", password, roles=list(roles)
    )


def server(name: str = "sim") -> TradingServer:
    made, _ = TradingServer.objects.get_or_create(
        name=name, defaults={"kind": TradingServer.Kind.SIMULATOR, "config": {}}
    )
    return made


def symbol(on: TradingServer, name: str = "EURUSD", digits: int = 5) -> Symbol:
    made, _ = Symbol.objects.get_or_create(
        server=on,
        name=name,
        defaults={
            "digits": digits,
            "contract_size": Decimal(100_000),
            "volume_step": Decimal("0.01"),
            "volume_min": Decimal("0.01"),
            "volume_max": Decimal(1000),
            "base_currency": name[:3],
            "profit_currency": name[3:],
            "margin_currency": name[:3],
        },
    )
    return made


def account(
    owner: User | None = None,
    *,
    kind: str = TradingAccount.Kind.SUB,
    currency: str = "USD",
    on: TradingServer | None = None,
) -> TradingAccount:
    return TradingAccount.objects.create(
        server=on or server(),
        login=100_000 + next(_numbers),
        kind=kind,
        owner=owner,
        currency=currency,
    )


def master(manager: User, name: str = "Alpha", on: TradingServer | None = None) -> Master:
    return Master.objects.create(
        account=account(manager, kind=TradingAccount.Kind.MASTER, on=on),
        manager=manager,
        name=name,
        rule={"method": "equity"},
        is_public=True,
    )


def link(to: Master, investor: User, *, currency: str = "USD") -> Link:
    return Link.objects.create(
        master=to,
        account=account(investor, currency=currency, on=to.account.server),
        status=Link.Status.ACTIVE,
        joined_at=timezone.now(),
    )
