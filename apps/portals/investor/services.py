"""Detaching: the investor leaves a master; the engine closes what is open on that account."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, User
from apps.core.book.commands import UnlinkAccount
from apps.core.errors import ConflictError, ProrataError, UnknownOutcomeError
from apps.engine import client

_NAMESPACE = uuid.UUID("1d7a3e0e-5a86-4be3-9d0b-c4f3c9f6f0aa")


@dataclass(frozen=True, slots=True)
class Detached:
    """`status`: "detached" (flat already) or "detaching" (closing at the market now)."""

    status: str
    tickets: int


def detach(actor: User, link: Link, request_id: uuid.UUID, *, broker: str) -> Detached:
    """Ask the book to let the account go. The same `request_id` is the same request, always.

    Raises ConflictError("not_following"); what the engine refuses as it refused it;
    UnknownOutcomeError and UnavailableError: ask again with the same request id.
    """
    subject = f"link:{link.public_id}"
    if link.status in (Link.Status.DETACHED, Link.Status.INVITED):
        raise ConflictError("not_following", "This account does not follow that master.")
    # The caller's id never meets another's: it counts within this link only.
    command_id = uuid.uuid5(_NAMESPACE, f"{link.public_id}:{request_id}")
    with transaction.atomic():
        audit(actor, "link.detach_asked", subject, after={"command_id": str(command_id)})
    command = UnlinkAccount(
        command_id=command_id, account_id=link.account_id, placed_by=str(actor.public_id)
    )
    try:
        outcome = client.execute(broker, link.master.public_id, command)
    except ProrataError as error:
        with transaction.atomic():
            name = "unknown" if isinstance(error, UnknownOutcomeError) else "refused"
            audit(actor, f"link.detach_{name}", subject, reason=error.code)
        raise
    return _done(actor, link, outcome.result)


def _done(actor: User, link: Link, result: dict[str, Any]) -> Detached:
    """No new shares from here on: the link says so at once; the projection ends it when flat."""
    status = str(result.get("status", ""))
    closes = result.get("closes", [])
    tickets = sum(len(close.get("ticket_ids", [])) for close in closes)
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
