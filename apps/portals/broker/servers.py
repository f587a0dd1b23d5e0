"""What the office knows and sets of trading servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Master, SymbolMap, TradingServer, User
from apps.core.book.commands import SetExecution
from apps.core.errors import ProrataError, UnavailableError
from apps.engine import client


@dataclass(frozen=True, slots=True)
class ServerLine:
    """`state`: up, away, unused (no book needs it), unknown (no engine tells), or broken, and then
    `code` says why."""

    server: TradingServer
    state: str
    code: str = ""


def server_lines(broker: str) -> list[ServerLine]:
    """Every server of the broker; one whose secret cannot be read is shown, not raised."""
    try:
        told = client.servers(broker)
    except UnavailableError:
        told = {}
    return [
        _line(server, told.get(server.pk, ""), bool(told))
        for server in TradingServer.objects.order_by("name")
    ]


def _line(server: TradingServer, told: str, is_told: bool) -> ServerLine:
    try:
        server.secret()
    except ProrataError as error:
        return ServerLine(server, "broken", error.code)
    if told in ("up", "away"):
        return ServerLine(server, told)
    if told:
        return ServerLine(server, "broken", told)
    return ServerLine(server, "unused" if is_told else "unknown")


def save_map(actor: User, wanted: dict[str, Any], *, request_id: str = "") -> SymbolMap:
    """Make or replace the map between two servers; engines tell their books within seconds."""
    fields = {name: wanted[name] for name in ("names", "source_suffix", "target_suffix")}
    with transaction.atomic():
        row, _ = SymbolMap.objects.update_or_create(
            source=wanted["source"], target=wanted["target"], defaults=fields
        )
        audit(
            actor,
            "server.map",
            f"map:{row.pk}",
            after={"source": row.source.name, "target": row.target.name, **fields},
            request_id=request_id,
        )
    return row


def execute_as(
    broker: str, master: Master, actor: User, command_id: UUID, mode: Any, *, request_id: str = ""
) -> None:
    """Set a book's execution mode. Raises what the engine answers."""
    command = SetExecution(command_id=command_id, mode=mode, placed_by=str(actor))
    client.execute(broker, master.public_id, command)
    audit(
        actor,
        "master.execution",
        f"master:{master.public_id}",
        after={"mode": mode},
        request_id=request_id,
    )
