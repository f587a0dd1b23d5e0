"""What there is to run: brokers, trading servers, books. Django's ORM, off the hot path."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from django.conf import settings
from django.db import connections

from apps.accounts.models import Master, Symbol, SymbolMap, TradingAccount, TradingServer
from apps.core.errors import ProrataError
from apps.servers.types import SymbolSpec
from tenants.door import all_brokers, broker_schema
from tenants.models import Broker

T = TypeVar("T")
_MINOR_DIGITS = {"JPY": 0}
_IDS_PER_QUERY = 10_000


def currency_digits(currency: str) -> int:
    """Digits of a currency's minor unit: 2, JPY 0."""
    return _MINOR_DIGITS.get(currency, 2)


async def in_thread(work: Callable[..., T], *arguments: Any) -> T:
    """Run one of the functions below beside the event loop; its connection is closed after."""
    return await asyncio.to_thread(_closing, work, *arguments)


def _closing(work: Callable[..., T], *arguments: Any) -> T:
    try:
        return work(*arguments)
    finally:
        connections.close_all()


@dataclass(frozen=True)
class ServerRow:
    """A trading server to connect to; `config` holds the opened secret as `token`."""

    server_id: int
    name: str
    kind: str
    config: dict[str, Any]


@dataclass(frozen=True)
class BookRow:
    broker: str
    book_id: UUID
    book_no: int
    server_id: int
    master_login: int
    currency: str
    rule: dict[str, Any] = field(default_factory=dict, compare=False)
    time_zone: str = field(default="UTC", compare=False)


@dataclass(frozen=True)
class AccountRow:
    account_id: int
    login: int
    currency: str
    leverage: int
    server_id: int


@dataclass(frozen=True)
class MapRow:
    """How symbols of one server are named on another: by name, else by exchanging suffixes."""

    source_id: int
    target_id: int
    names: dict[str, str]
    source_suffix: str = ""
    target_suffix: str = ""

    def names_for(self, source: Iterable[str], target: Container[str]) -> dict[str, str]:
        """Source name → target name, of those that the target has."""
        found = {}
        for name in sorted(source):
            bare = name.removesuffix(self.source_suffix)
            other = self.names.get(name, bare + self.target_suffix)
            if other in target:
                found[name] = other
        return found


@dataclass(frozen=True)
class Found:
    """`broken`: servers that cannot be connected to as they are configured, and why."""

    servers: list[ServerRow]
    books: list[BookRow]
    maps: list[MapRow] = field(default_factory=list)
    broken: dict[int, str] = field(default_factory=dict)


def brokers() -> list[str]:
    return all_brokers()


def discover(broker: str) -> Found:
    """Servers and active books of one broker. A server that is misconfigured stops no other."""
    servers: list[ServerRow] = []
    broken: dict[int, str] = {}
    with broker_schema(broker):
        zone = Broker.objects.values_list("time_zone", flat=True).get(schema_name=broker)
        masters = Master.objects.filter(is_active=True).select_related("account")
        books = [
            BookRow(
                broker,
                master.public_id,
                master.pk,
                master.account.server_id,
                master.account.login,
                master.account.currency,
                master.rule,
                zone,
            )
            for master in masters
        ]
        masters_on = {book.server_id for book in books}
        maps = [
            MapRow(row.source_id, row.target_id, row.names, row.source_suffix, row.target_suffix)
            for row in SymbolMap.objects.filter(source_id__in=masters_on)
        ]
        wanted = masters_on | {row.target_id for row in maps}
        for row in TradingServer.objects.filter(pk__in=wanted):
            try:
                servers.append(ServerRow(row.pk, row.name, row.kind, _config(row)))
            except ProrataError as error:
                broken[row.pk] = error.code
    return Found(servers, books, maps, broken)


def _config(row: TradingServer) -> dict[str, Any]:
    config = dict(row.config)
    if row.kind == TradingServer.Kind.SIMULATOR:
        config.setdefault("url", settings.SIM_URL)
    return {**config, "token": row.secret()}


def account(broker: str, account_id: int) -> AccountRow | None:
    """One trading account, None when the broker has no such account."""
    with broker_schema(broker):
        row = TradingAccount.objects.filter(pk=account_id).first()
    if row is None:
        return None
    return AccountRow(row.pk, row.login, row.currency, row.leverage, row.server_id)


def accounts(broker: str, account_ids: list[int]) -> list[AccountRow]:
    """The broker's trading accounts among these ids, in order of id."""
    found: list[AccountRow] = []
    with broker_schema(broker):
        for start in range(0, len(account_ids), _IDS_PER_QUERY):
            part = account_ids[start : start + _IDS_PER_QUERY]
            rows = TradingAccount.objects.filter(pk__in=part).order_by("pk")
            found += [
                AccountRow(*row)
                for row in rows.values_list("pk", "login", "currency", "leverage", "server_id")
            ]
    return found


def refresh_symbols(broker: str, server_id: int, specs: list[SymbolSpec]) -> None:
    """Bring accounts.Symbol up to what the server says."""
    fields = [
        "description",
        "digits",
        "contract_size",
        "volume_step",
        "volume_min",
        "volume_max",
        "base_currency",
        "profit_currency",
        "margin_currency",
    ]
    with broker_schema(broker):
        Symbol.objects.bulk_create(
            [
                Symbol(
                    server_id=server_id,
                    name=spec.name,
                    **{field: getattr(spec, field) for field in fields},
                )
                for spec in specs
            ],
            update_conflicts=True,
            unique_fields=["server", "name"],
            update_fields=fields,
        )
