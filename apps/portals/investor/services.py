"""Detaching: the investor leaves a master, or takes tickets out and goes on following."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, User
from apps.core.book.commands import DetachMode, DetachTickets, LeaveMode, UnlinkAccount
from apps.core.errors import ConflictError, ProrataError, UnknownOutcomeError
from apps.engine import client

_NAMESPACE = uuid.UUID("1d7a3e0e-5a86-4be3-9d0b-c4f3c9f6f0aa")


@dataclass(frozen=True, slots=True)
class Detached:
    """`status`: "detached", "detaching" (closing at the market now), "leaving" (when flat),
    "closing" or "released" (tickets taken out)."""

    status: str
    tickets: int


def detach(
    actor: User,
    link: Link,
    request_id: uuid.UUID,
    *,
    broker: str,
    mode: LeaveMode = "close_at_market",
) -> Detached:
    """Ask the book to let the account go. The same `request_id` is the same request, always.

    Raises ConflictError("not_following"); what the engine refuses as it refused it;
    UnknownOutcomeError and UnavailableError: ask again with the same request id.
    """
    command = UnlinkAccount(
        command_id=_command_id(link, request_id),
        account_id=link.account_id,
        mode=mode,
        placed_by=str(actor.public_id),
    )
    return _done(actor, link, _executed(actor, link, command, broker, "link.detach"))


def take_out(
    actor: User,
    link: Link,
    request_id: uuid.UUID,
    *,
    broker: str,
    ticket_ids: list[int],
    mode: DetachMode,
) -> Detached:
    """Take tickets out of their blocks, closed now or kept; the account goes on following.

    Raises as `detach` does.
    """
    command = DetachTickets(
        command_id=_command_id(link, request_id),
        account_id=link.account_id,
        ticket_ids=sorted(set(ticket_ids)),
        mode=mode,
        placed_by=str(actor.public_id),
    )
    result = _executed(actor, link, command, broker, "link.take_out")
    return Detached(str(result.get("status", "")), int(result.get("tickets", 0)))


def _command_id(link: Link, request_id: uuid.UUID) -> uuid.UUID:
    """The caller's id never meets another's: it counts within this link only."""
    return uuid.uuid5(_NAMESPACE, f"{link.public_id}:{request_id}")


def _executed(
    actor: User,
    link: Link,
    command: UnlinkAccount | DetachTickets,
    broker: str,
    action: str,
) -> dict[str, Any]:
    subject = f"link:{link.public_id}"
    if link.status in (Link.Status.DETACHED, Link.Status.INVITED):
        raise ConflictError("not_following", "This account does not follow that master.")
    with transaction.atomic():
        after = {"command_id": str(command.command_id), "mode": command.mode}
        audit(actor, f"{action}_asked", subject, after=after)
    try:
        outcome = client.execute(broker, link.master.public_id, command)
    except ProrataError as error:
        with transaction.atomic():
            name = "unknown" if isinstance(error, UnknownOutcomeError) else "refused"
            audit(actor, f"{action}_{name}", subject, reason=error.code)
        raise
    return outcome.result


def _done(actor: User, link: Link, result: dict[str, Any]) -> Detached:
    """No new shares from here on: the link says so at once; the projection ends it when flat."""
    status = str(result.get("status", ""))
    closes = result.get("closes", [])
    closing = sum(len(close.get("ticket_ids", [])) for close in closes)
    tickets = int(result.get("tickets", closing))
    with transaction.atomic():
        working = Link.objects.filter(
            pk=link.pk, status__in=[Link.Status.ACTIVE, Link.Status.PAUSED]
        )
        working.update(status=Link.Status.CLOSE_ONLY)
        audit(
            actor,
            "link.detach",
            f"link:{link.public_id}",
            before={"status": link.status},
            after={"status": status, "tickets": tickets},
        )
    return Detached(status, tickets)
