"""Joining a master, one account or many.

The book decides; the link's row follows its journal (the projection sets status and times), so
nothing here writes a working status. The command id is the caller's, else the link's own: a repeat
after a lost answer joins once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, TradingAccount, User
from apps.accounts.standing import Capability, require
from apps.core.book.codec import vec
from apps.core.book.commands import JoinMode, LinkAccount, LinkAccounts
from apps.core.book.terms import terms_from_json
from apps.core.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    ProrataError,
    RejectedError,
)
from apps.engine.client import Outcome, execute

_FINAL = (ConflictError, InputError, NotFoundError, RejectedError)
_BULK_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Joining:
    """How an account joins. `terms`: as in a link's params; `token`: of a quote that must hold."""

    mode: JoinMode = "new_trades_only"
    token: str = ""
    terms: dict[str, Any] = field(default_factory=dict)
    command_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    link: Link
    outcome: Outcome


def join(
    broker: str,
    master: Master,
    account: TradingAccount,
    actor: User | None,
    joining: Joining | None = None,
) -> Joined:
    """Let `account` follow `master`; the link, active once the journal says so.

    Raises ConflictError("account_linked") when it follows another master; ForbiddenError of the
    broker's standing; whatever the engine answers. After UnknownOutcomeError the link may still be
    `invited`: call again. A refusal ends a link that was made for it.
    """
    require(Capability.GROW)
    joining = joining or Joining()
    link, is_new = _invited(master, account, actor, joining)
    params = joining.terms or link.params
    command = LinkAccount(
        command_id=joining.command_id or link.public_id,
        account_id=account.id,
        terms=terms_from_json(params) if params else None,
        mode=joining.mode,
        token=joining.token,
        placed_by=_name(actor),
    )
    try:
        outcome = execute(broker, master.public_id, command)
    except _FINAL as error:
        if is_new:
            _withdraw(link, actor, error)
        raise
    return Joined(link, outcome)


def join_many(
    broker: str,
    master: Master,
    account_ids: Iterable[UUID],
    actor: User | None,
    *,
    mode: JoinMode = "new_trades_only",
    command_id: UUID,
) -> Outcome:
    """Let many accounts follow `master`, in one record; none named: all that are invited.

    Whom the book cannot take is in the outcome's `refused`; the others join. A repeat is the same
    command only when the accounts are named. Raises InputError "accounts_missing" when there is
    nobody, NotFoundError "account_unknown", ConflictError "account_linked"; whatever the engine
    answers.
    """
    require(Capability.GROW)
    wanted = list(account_ids)
    ids = _invite_many(master, wanted, actor) if wanted else _invited_ids(master)
    if not ids:
        raise InputError("accounts_missing", "No account is named or invited to this master.")
    command = LinkAccounts(
        command_id=command_id, account_ids=vec(ids), mode=mode, placed_by=_name(actor)
    )
    return execute(broker, master.public_id, command, timeout_s=_BULK_TIMEOUT_S)


def _invited(
    master: Master, account: TradingAccount, actor: User | None, joining: Joining
) -> tuple[Link, bool]:
    with transaction.atomic():
        link = (
            Link.objects.select_for_update()
            .filter(account=account)
            .exclude(status=Link.Status.DETACHED)
            .first()
        )
        if link is None:
            link = Link.objects.create(master=master, account=account, params=joining.terms)
            audit(actor, "link.invite", f"link:{link.public_id}", after=_facts(link))
            return link, True
    if link.master_id != master.id:
        raise ConflictError(
            "account_linked",
            f"Account {account.login} follows {link.master.name} already.",
            login=account.login,
        )
    return link, False


def _invited_ids(master: Master) -> list[int]:
    invited = Link.objects.filter(master=master, status=Link.Status.INVITED)
    return sorted(invited.values_list("account_id", flat=True))


def _invite_many(master: Master, account_ids: list[UUID], actor: User | None) -> list[int]:
    """Rows for those that follow nobody; the ids of all of them, in order."""
    with transaction.atomic():
        accounts = list(
            TradingAccount.objects.filter(
                public_id__in=account_ids, kind=TradingAccount.Kind.SUB
            ).order_by("pk")
        )
        missing = set(account_ids) - {account.public_id for account in accounts}
        if missing:
            raise NotFoundError(
                "account_unknown",
                f"{len(missing)} of these accounts do not exist.",
                account_id=str(min(missing)),
            )
        going_on = Link.objects.filter(account__in=accounts).exclude(status=Link.Status.DETACHED)
        taken = set(going_on.values_list("account_id", flat=True))
        new = [Link(master=master, account=a) for a in accounts if a.pk not in taken]
        Link.objects.bulk_create(new, batch_size=1000, ignore_conflicts=True)
        elsewhere = going_on.exclude(master=master).select_related("account").first()
        if elsewhere is not None:
            raise ConflictError(
                "account_linked",
                f"Account {elsewhere.account.login} follows another master already.",
                login=elsewhere.account.login,
            )
        audit(
            actor,
            "link.invite_many",
            f"master:{master.public_id}",
            after={"accounts": len(accounts), "new": len(new)},
        )
    return [account.pk for account in accounts]


def _withdraw(link: Link, actor: User | None, error: ProrataError) -> None:
    with transaction.atomic():
        Link.objects.filter(pk=link.pk, status=Link.Status.INVITED).update(
            status=Link.Status.DETACHED, left_at=timezone.now()
        )
        audit(actor, "link.refused", f"link:{link.public_id}", reason=error.code)


def _name(actor: User | None) -> str:
    return str(actor) if actor else "system"


def _facts(link: Link) -> dict[str, str]:
    return {
        "master": str(link.master.public_id),
        "login": str(link.account.login),
        "status": link.status,
    }
