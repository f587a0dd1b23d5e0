"""Setting what is charged: by the system at once, by people with four eyes.

A proposal is a row; another person approves it by compare-and-set, which adds the version and
tells the investors it affects. A window is settled under the plan in force at its start and a
change begins after the day of its approval, so nothing that runs changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import Link, Master, Role, User
from apps.billing.broker import broker_now
from apps.billing.models import FeeCharge, FeePlan, PlanChange, PlanNotice
from apps.billing.selectors.plans import links_under
from apps.billing.services.queue import NOTIFY, after_commit
from apps.billing.states import PLAN_CHANGE, step
from apps.core.errors import ConflictError, ForbiddenError
from apps.core.fees.hwm import HwmBasis
from apps.core.fees.terms import FeeTerms, Performance, Split, check_fees, terms_json

MAY_DECIDE = (Role.ADMIN, Role.FINANCE)
Scope = Master | Link | None  # None: the broker's default for all masters


@dataclass(frozen=True, slots=True)
class NewPlan:
    """A version: what is charged from a day of the broker's time zone on."""

    fees: FeeTerms
    effective_from: date


def performance_plan(
    rate: Decimal, manager_share: Decimal, effective_from: date, hwm_basis: str = "net"
) -> NewPlan:
    """A plan of a performance fee alone. Ratios: rate 0.20 is 20 % of the gain."""
    performance = Performance(rate=rate, hwm_basis=HwmBasis(hwm_basis))
    fees = FeeTerms(performance=performance, split=Split(manager=manager_share))
    return NewPlan(fees, effective_from)


def set_fee_plan(
    actor: User | None, scope: Scope, new: NewPlan, *, request_id: str = ""
) -> FeePlan:
    """Add a version at once: for setting up, not for people at desks (see `propose`).

    Raises InputError (fee_rate_invalid, fee_split_invalid, fee_terms_invalid), ConflictError
    (fee_plan_taken when that day has a version, period_settled when it was charged already).
    """
    fees = check_fees(new.fees)
    row = FeePlan(
        master=scope if isinstance(scope, Master) else None,
        link=scope if isinstance(scope, Link) else None,
        effective_from=new.effective_from,
        terms=terms_json(fees),
        created_by=actor,
    )
    _check_not_settled(row)
    try:
        with transaction.atomic():
            row.save(force_insert=True)
            audit(
                actor,
                "fee_plan.set",
                subject_of(row),
                after={"effective_from": str(new.effective_from), "terms": row.terms},
                request_id=request_id,
            )
    except IntegrityError as error:
        raise ConflictError(
            "fee_plan_taken", f"A version begins on {new.effective_from} already."
        ) from error
    return row


def propose(
    actor: User, scope: Scope, new: NewPlan, *, note: str = "", request_id: str = ""
) -> PlanChange:
    """A version for another person to approve. Errors as `set_fee_plan`, and ForbiddenError
    ("not_allowed"), ConflictError("period_running") when it would begin in a running period."""
    _check_may_decide(actor)
    change = PlanChange(
        master=scope if isinstance(scope, Master) else None,
        link=scope if isinstance(scope, Link) else None,
        effective_from=new.effective_from,
        terms=terms_json(check_fees(new.fees)),
        note=note[:200],
        proposed_by=actor,
    )
    _check_not_settled(change)
    _check_not_running(change)
    with transaction.atomic():
        change.save(force_insert=True)
        audit(
            actor,
            "fee_plan.propose",
            subject_of(change),
            after={
                "change": str(change.public_id),
                "effective_from": str(change.effective_from),
                "terms": change.terms,
            },
            reason=change.note,
            request_id=request_id,
        )
    return change


def approve(actor: User, change: PlanChange, *, note: str = "", request_id: str = "") -> FeePlan:
    """The second pair of eyes: the version is added and who it affects is told.

    Raises ForbiddenError (not_allowed, four_eyes when the proposer decides), StateError when it
    was decided already, and what `set_fee_plan` raises.
    """
    _check_may_decide(actor)
    if actor.pk == change.proposed_by_id:
        raise ForbiddenError("four_eyes", "Another person than the proposer approves a change.")
    with transaction.atomic():
        _check_not_running(change)
        _decide(actor, change, "approve", note)
        scope: Scope = change.link or change.master
        new = NewPlan(change.fees, change.effective_from)
        plan = set_fee_plan(actor, scope, new, request_id=request_id)
        PlanChange.objects.filter(pk=change.pk).update(plan=plan)
        audit(actor, "fee_plan.approve", f"plan_change:{change.public_id}", request_id=request_id)
        told = _tell(change)
        if told:
            after_commit(NOTIFY)
    return plan


def decline(actor: User, change: PlanChange, *, note: str = "", request_id: str = "") -> str:
    """Rejected by another person, withdrawn by the proposer; returns which.

    Raises ForbiddenError("not_allowed"), StateError when it was decided already.
    """
    _check_may_decide(actor)
    event = "withdraw" if actor.pk == change.proposed_by_id else "reject"
    with transaction.atomic():
        state = _decide(actor, change, event, note)
        audit(
            actor,
            f"fee_plan.{event}",
            f"plan_change:{change.public_id}",
            reason=note[:200],
            request_id=request_id,
        )
    return state


def subject_of(row: FeePlan | PlanChange) -> str:
    """Whose plan, for the audit trail."""
    if row.link is not None:
        return f"link:{row.link.public_id}"
    return f"master:{row.master.public_id}" if row.master is not None else "broker"


def _decide(actor: User, change: PlanChange, event: str, note: str) -> str:
    """Compare-and-set: of two people at once one decides."""
    state = step(PLAN_CHANGE, PlanChange.State.PROPOSED, event)
    changed = PlanChange.objects.filter(pk=change.pk, state=PlanChange.State.PROPOSED).update(
        state=state, decided_by=actor, decided_at=timezone.now(), decision_note=note[:200]
    )
    if not changed:
        now = PlanChange.objects.values_list("state", flat=True).get(pk=change.pk)
        step(PLAN_CHANGE, now, event)  # raises: a decided change has no row in the table
    return state


def _tell(change: PlanChange) -> int:
    owned = links_under(change).exclude(account__owner=None)
    people = set(owned.values_list("account__owner_id", flat=True))
    made = PlanNotice.objects.bulk_create(
        PlanNotice(change=change, user_id=owner, next_at=timezone.now()) for owner in sorted(people)
    )
    return len(made)


def _check_may_decide(actor: User) -> None:
    if not actor.has_role(*MAY_DECIDE):
        raise ForbiddenError("not_allowed", "Only finance and admins change fee plans.")


def _check_not_settled(row: FeePlan | PlanChange) -> None:
    begins = datetime.combine(row.effective_from, time.min, ZoneInfo(broker_now().time_zone))
    charges = FeeCharge.objects.filter(window_to__gt=begins)
    if row.link is not None:
        charges = charges.filter(link=row.link)
    elif row.master is not None:
        charges = charges.filter(link__master=row.master)
    if charges.exists():
        raise ConflictError(
            "period_settled",
            f"Fees were settled beyond {row.effective_from}: a change begins later.",
            effective_from=str(row.effective_from),
        )


def _check_not_running(change: PlanChange) -> None:
    today = timezone.now().astimezone(ZoneInfo(broker_now().time_zone)).date()
    if change.effective_from <= today and links_under(change).exists():
        raise ConflictError(
            "period_running",
            "Somebody follows under the plan of today: a change begins tomorrow or later.",
            effective_from=str(change.effective_from),
        )
