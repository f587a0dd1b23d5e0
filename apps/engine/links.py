"""Joining a master and leaving it: the link's row and the book's command, in that order.

The book decides; the row follows what it decided. The command id is the link's own id, so a
repeat after a lost answer joins (or leaves) once.
"""

from __future__ import annotations

import uuid

from django.db import transaction
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, TradingAccount, User
from apps.core.book.commands import LinkAccount, UnlinkAccount
from apps.core.errors import ConflictError
from apps.engine.client import Outcome, execute

LEAVE_NAMESPACE = uuid.UUID("6f1d9a52-3f0e-5b1c-9a5e-0d7a6f6a2c11")


def join(broker: str, master: Master, account: TradingAccount, actor: User | None) -> Link:
    """Let `account` follow `master` from now on; the active link.

    Raises ConflictError("account_linked") when it follows another master; whatever the engine
    answers. After UnknownOutcomeError the link stays `invited`: call again.
    """
    with transaction.atomic():
        link = (
            Link.objects.select_for_update()
            .filter(account=account)
            .exclude(status=Link.Status.DETACHED)
            .first()
        )
        if link is None:
            link = Link.objects.create(master=master, account=account)
            audit(actor, "link.invite", f"link:{link.public_id}", after=_facts(link))
        elif link.master_id != master.id:
            raise ConflictError(
                "account_linked",
                f"Account {account.login} follows {link.master.name} already.",
                login=account.login,
            )
    execute(
        broker,
        master.public_id,
        LinkAccount(
            command_id=link.public_id, account_id=account.id, placed_by=str(actor or "system")
        ),
    )
    with transaction.atomic():
        changed = Link.objects.filter(pk=link.pk, status=Link.Status.INVITED).update(
            status=Link.Status.ACTIVE, joined_at=timezone.now()
        )
        link.refresh_from_db()
        if changed:
            audit(actor, "link.activate", f"link:{link.public_id}", after=_facts(link))
    return link


def leave(broker: str, link: Link, actor: User | None) -> Outcome:
    """Close the account's tickets at the market and detach it.

    Raises whatever the engine answers; after UnknownOutcomeError the link is unchanged: call
    again, the same command id is used.
    """
    outcome = execute(
        broker,
        link.master.public_id,
        UnlinkAccount(
            command_id=uuid.uuid5(LEAVE_NAMESPACE, str(link.public_id)),
            account_id=link.account_id,
            placed_by=str(actor or "system"),
        ),
    )
    with transaction.atomic():
        before = _facts(link)
        changed = (
            Link.objects.filter(pk=link.pk)
            .exclude(status=Link.Status.DETACHED)
            .update(status=Link.Status.DETACHED, left_at=timezone.now())
        )
        link.refresh_from_db()
        if changed:
            audit(actor, "link.detach", f"link:{link.public_id}", before=before, after=_facts(link))
    return outcome


def _facts(link: Link) -> dict[str, str]:
    return {
        "master": str(link.master.public_id),
        "login": str(link.account.login),
        "status": link.status,
    }
