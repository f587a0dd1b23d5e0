"""Taking a settlement back, whole: the mirrored entry, the mark, the money that was collected.

Nothing is edited: each charge gets a reversal, the ledger an entry with the opposite signs. The
fee is waived, not charged anew: the mark rises by it, so that the same gain bears no fee again.
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import Link, User
from apps.billing.compute import Kind
from apps.billing.models import FeeCharge, FeeReversal, FeeRun, HighWaterMark
from apps.billing.services.ledger import (
    REBATES,
    NewEntry,
    Posting,
    payable,
    post,
    receivable,
    type_of,
)
from apps.billing.services.plans import MAY_DECIDE
from apps.billing.services.posting import BROKER_INCOME
from apps.billing.services.queue import COLLECT, after_commit
from apps.billing.services.runs import lock_settling
from apps.billing.states import CHARGE, step
from apps.core.errors import ConflictError, ForbiddenError, InputError


def reverse_settlement(
    actor: User, run: FeeRun, link: Link, reason: str, *, request_id: str = ""
) -> list[FeeReversal]:
    """Reverse every charge of a link in a run. Its document is mirrored by the caller.

    Raises ForbiddenError("not_allowed"), InputError("reason_missing"), ConflictError: nothing_here
    when nothing was charged, reversed_already, money_moving while a collection is under way.
    """
    if not actor.has_role(*MAY_DECIDE):
        raise ForbiddenError("not_allowed", "Only finance and admins reverse fees.")
    if not reason.strip():
        raise InputError("reason_missing", "A reversal says why.")
    now = timezone.now()
    with transaction.atomic():
        lock_settling()
        charges = list(
            FeeCharge.objects.select_for_update()
            .filter(run=run, link=link, amount_minor__gt=0)
            .order_by("id")
        )
        _check(charges)
        made = [_reverse(charge, actor, reason.strip()[:200], now) for charge in charges]
        audit(
            actor,
            "fees.reverse",
            f"fee_run:{run.public_id}",
            after={
                "link": str(link.public_id),
                "amount_minor": sum(one.amount_minor for one in made),
                "refund_minor": sum(one.refund_minor for one in made),
            },
            reason=reason.strip()[:200],
            request_id=request_id,
        )
        after_commit(COLLECT)
    return made


def _check(charges: list[FeeCharge]) -> None:
    if not charges:
        raise ConflictError("nothing_here", "Nothing was charged here.")
    if FeeReversal.objects.filter(charge__in=charges).exists():
        raise ConflictError("reversed_already", "This was reversed already.")
    if any(charge.state == FeeCharge.State.COLLECTING for charge in charges):
        raise ConflictError("money_moving", "The money is being collected: wait for its outcome.")


def _reverse(charge: FeeCharge, actor: User, reason: str, now: datetime) -> FeeReversal:
    made = FeeReversal.objects.create(
        charge=charge,
        at=now,
        amount_minor=charge.amount_minor,
        refund_minor=charge.collected_minor,
        reason=reason,
        actor=actor,
    )
    charge.state = step(
        CHARGE, charge.state, "reverse_part" if charge.collected_minor else "reverse"
    )
    charge.save(update_fields=["state"])
    post([_mirrored(charge, now)])
    if charge.kind == FeeCharge.Kind.PERFORMANCE:
        _raise_mark(charge, now)
    return made


def _mirrored(charge: FeeCharge, now: datetime) -> NewEntry:
    kind = Kind(charge.kind)
    owed = REBATES if kind is Kind.REBATE else receivable(charge.link.account_id)
    postings = [Posting(owed, type_of(owed), -charge.amount_minor)]
    for share in charge.shares.order_by("id"):
        code = BROKER_INCOME[kind] if share.user_id is None else payable(share.party, share.user_id)
        postings.append(Posting(code, type_of(code), share.amount_minor))
    key = f"reversal:{charge.public_id}"
    return NewEntry(key, now, "Fee reversed", charge.currency, tuple(postings))


def _raise_mark(charge: FeeCharge, now: datetime) -> None:
    """A mark set after the fee lacks it; one set before the fee is right already."""
    last = HighWaterMark.objects.filter(link=charge.link).order_by("-id").first()
    if last is None or charge.plan.hwm_basis == "gross":
        return
    HighWaterMark.objects.create(
        link=charge.link,
        charge=charge,
        at=now,
        reason=HighWaterMark.Reason.REVERSED,
        equity_minor=last.equity_minor,
        amount_minor=charge.amount_minor,
        before=last.after,
        after=last.after + charge.amount_minor,
    )
