"""Joining a master.

The book decides; the link's row follows its journal (the projection sets status and times), so
nothing here writes a status. The command id is the link's own id: a repeat after a lost answer
joins once.
"""

from __future__ import annotations

from django.db import transaction

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, TradingAccount, User
from apps.accounts.standing import Capability, require
from apps.core.book.commands import LinkAccount
from apps.core.book.terms import terms_from_json
from apps.core.errors import ConflictError
from apps.engine.client import execute


def join(broker: str, master: Master, account: TradingAccount, actor: User | None) -> Link:
    """Let `account` follow `master` from now on; the link, active once the journal says so.

    Raises ConflictError("account_linked") when it follows another master; ForbiddenError of the
    broker's standing; whatever the engine answers. After UnknownOutcomeError the link may still be
    `invited`: call again.
    """
    require(Capability.GROW)
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
    command = LinkAccount(
        command_id=link.public_id,
        account_id=account.id,
        terms=terms_from_json(link.params) if link.params else None,
        placed_by=_name(actor),
    )
    execute(broker, master.public_id, command)
    return link


def _name(actor: User | None) -> str:
    return str(actor) if actor else "system"


def _facts(link: Link) -> dict[str, str]:
    return {
        "master": str(link.master.public_id),
        "login": str(link.account.login),
        "status": link.status,
    }
