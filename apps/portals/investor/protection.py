"""The investor's own control: an equity stop, limits in per cent, pause and resume, lift."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import msgspec
from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, User
from apps.core.book.commands import Command, LiftStop, SetLinkStatus, SetProtection
from apps.core.book.risk.settings import Protection, protection_as_json, protection_from_json
from apps.core.errors import ProrataError
from apps.core.money import digits_of
from apps.engine import client


def own_limits(values: dict[str, Any], currency: str, before: dict[str, Any]) -> Protection:
    """The form's values in the account's currency; limits that it does not show stay."""
    level: Decimal | None = values.get("stop_equity")
    return msgspec.structs.replace(
        protection_from_json(before, "account"),
        stop_equity_minor=None if level is None else int(level.scaleb(digits_of(currency))),
        trailing_percent=values.get("trailing_percent"),
        daily_loss_percent=values.get("daily_loss_percent"),
    )


def protect(actor: User, link: Link, protection: Protection, *, broker: str) -> None:
    """Set the investor's limits. Raises what the book refuses, and the engine's errors."""
    command = SetProtection(
        command_id=uuid.uuid4(),
        scope="account",
        party="investor",
        account_id=link.account_id,
        protection=protection,
        placed_by=str(actor.public_id),
    )
    _do(actor, link, command, "link.protect", protection_as_json(protection), broker)


def set_pause(actor: User, link: Link, *, is_paused: bool, broker: str) -> None:
    """Take no part in new blocks, or take part again. A restriction of others stays:
    ConflictError `restricted_by_other`."""
    command = SetLinkStatus(
        command_id=uuid.uuid4(),
        account_id=link.account_id,
        status="paused" if is_paused else "active",
        party="investor",
        placed_by=str(actor.public_id),
    )
    _do(actor, link, command, "link.pause", {"paused": is_paused}, broker)


def lift(actor: User, link: Link, *, broker: str) -> None:
    """Lift a stop of the investor's own limit."""
    command = LiftStop(
        command_id=uuid.uuid4(),
        party="investor",
        account_id=link.account_id,
        placed_by=str(actor.public_id),
    )
    _do(actor, link, command, "link.lift", {"status": "active"}, broker)


def _do(
    actor: User, link: Link, command: Command, action: str, after: dict[str, Any], broker: str
) -> None:
    """Ask the book; the audit trail has the question, and what became of it."""
    subject = f"link:{link.public_id}"
    with transaction.atomic():
        audit(actor, f"{action}_asked", subject, after={"command_id": str(command.command_id)})
    try:
        client.execute(broker, link.master.public_id, command)
    except ProrataError as error:
        with transaction.atomic():
            audit(actor, f"{action}_refused", subject, reason=error.code)
        raise
    with transaction.atomic():
        audit(actor, action, subject, after=after)
