"""Taking charged fees from the trading accounts, and giving reversed ones back, by the engine.

Each attempt has a command id of its own, written before anything is sent. An outcome that is not
known leaves the attempt "collecting": it is asked again with the same id, never sent anew.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from apps.accounts.models import Link, Master
from apps.allocation.models import AccountState
from apps.billing.models import FeeCharge, FeeCollection
from apps.billing.services.ledger import fee_collected, fee_refunded, post
from apps.billing.states import CHARGE, COLLECTION, step
from apps.core.book.commands import AdjustBalance
from apps.core.errors import ProrataError, UnavailableError, UnknownOutcomeError
from apps.core.fees.collection import collectable
from apps.engine import client
from tenants.door import current_broker

_NAMESPACE = uuid.UUID("6f1b3a52-6a2f-4d0f-9c0b-0d7f2d1c8e11")
_ASK_AGAIN_AFTER = timedelta(hours=6)  # an account that refused is left in peace that long
_States = FeeCharge.State
_TO_TAKE = (_States.DUE, _States.COLLECTING, _States.RECEIVABLE)
_TO_GIVE = (_States.REFUND_DUE, _States.REFUNDING)
_WAITING = (_States.RECEIVABLE, _States.REFUND_DUE)


@dataclass(slots=True)
class CollectResult:
    """How many charges ended how in this pass."""

    collected: int = 0
    receivable: int = 0
    unknown: int = 0
    refunded: int = 0


def collect_due(run_id: int | None = None) -> CollectResult:
    """One pass over all unsettled charges (of a run). No transaction is open while the engine is
    asked. Safe at the same time in several processes: a charge has one attempt at a time."""
    charges = FeeCharge.objects.filter(state__in=(*_TO_TAKE, *_TO_GIVE)).order_by("id")
    if run_id is not None:
        charges = charges.filter(run_id=run_id)
    result = CollectResult()
    charges = charges.annotate(
        settled_at=Max(
            "collections__settled_at",
            filter=Q(collections__state=FeeCollection.State.REJECTED),
        )
    )
    lately = timezone.now() - _ASK_AGAIN_AFTER
    for charge_id, state, settled_at in list(charges.values_list("id", "state", "settled_at")):
        if state not in _WAITING or settled_at is None or settled_at < lately:
            state = collect(charge_id)
        if state == _States.COLLECTED:
            result.collected += 1
        elif state == _States.REVERSED:
            result.refunded += 1
        elif state in (_States.COLLECTING, _States.REFUNDING):
            result.unknown += 1
        else:
            result.receivable += 1
    return result


def collect(charge_id: int) -> str:
    """Try once to take what is outstanding of a charge, or to give back what was collected of a
    reversed one. Returns the charge's state afterwards."""
    attempt = _attempt(charge_id)
    if attempt is None:
        return FeeCharge.objects.get(pk=charge_id).state
    book = attempt.book
    assert book is not None, "an attempt under way names its book"
    is_refund = attempt.direction == FeeCollection.Direction.REFUND
    command = AdjustBalance(
        command_id=attempt.command_id,
        account_id=attempt.charge.link.account_id,
        kind="deposit" if is_refund else "fee",
        amount_minor=attempt.amount_minor,
        comment=f"{attempt.charge.get_kind_display()} {attempt.charge.run.key}".capitalize(),
        placed_by="billing",
        former=attempt.is_former,
    )
    try:
        outcome = client.execute(current_broker(), book.public_id, command)
    except (UnknownOutcomeError, UnavailableError) as error:
        return _settle(attempt, "unknown", error.code)
    except ProrataError as error:
        return _settle(attempt, "rejected", f"{error.code}: {error.message}")
    status = outcome.result.get("status")
    if status == "done":
        return _settle(attempt, "collected", "")
    if status == "rejected":
        return _settle(attempt, "rejected", str(outcome.result.get("code", "rejected")))
    return _settle(attempt, "unknown", f"status {status!r}")


def _attempt(charge_id: int) -> FeeCollection | None:
    """The attempt under way, else a new one for what can be moved now; None when nothing can."""
    with transaction.atomic():
        charge = FeeCharge.objects.select_for_update().get(pk=charge_id)
        found = FeeCollection.objects.select_related("charge__link", "charge__run", "book")
        under_way = found.filter(charge=charge, state=FeeCollection.State.COLLECTING).first()
        if under_way is not None or charge.state not in (*_TO_TAKE, *_TO_GIVE):
            return under_way
        book, is_former = _book_of(charge)
        is_refund = charge.state in _TO_GIVE
        amount = charge.collected_minor
        if not is_refund:
            free = _free_minor(charge.link.account_id, is_former=is_former)
            amount = min(charge.outstanding_minor, free)
        if amount <= 0:
            _move(charge, "nothing_free")
            return None
        _move(charge, "collect")
        number = charge.collections.count() + 1
        made = FeeCollection.objects.create(
            charge=charge,
            number=number,
            command_id=uuid.uuid5(_NAMESPACE, f"{charge.public_id}:{number}"),
            direction=FeeCollection.Direction.REFUND if is_refund else FeeCollection.Direction.FEE,
            amount_minor=amount,
            book=book,
            is_former=is_former,
        )
        return found.get(pk=made.pk)


def _book_of(charge: FeeCharge) -> tuple[Master, bool]:
    """The book that the account follows now, whatever it was charged for; else the one it left,
    and that it left."""
    now = (
        Link.objects.filter(account_id=charge.link.account_id)
        .exclude(status__in=[Link.Status.DETACHED, Link.Status.INVITED])
        .select_related("master")
        .first()
    )
    return (now.master, False) if now is not None else (charge.link.master, True)


def _free_minor(account_id: int, *, is_former: bool) -> int:
    """min(balance, equity − used margin) as last recorded, at least 0 (math.md §3).

    Who left has nothing open: the balance alone. The book and the server still refuse too much.
    """
    state = AccountState.objects.filter(account_id=account_id).first()
    if state is None:
        return 0
    if is_former:
        return max(state.balance_minor, 0)
    return int(collectable(state.balance_minor, state.equity_minor, state.margin_minor, digits=0))


def _settle(attempt: FeeCollection, event: str, reason: str, at: datetime | None = None) -> str:
    """Write what became of the attempt; an attempt settled meanwhile stays as it is."""
    with transaction.atomic():
        charge = FeeCharge.objects.select_for_update().get(pk=attempt.charge_id)
        row = FeeCollection.objects.get(pk=attempt.pk)
        if row.state != FeeCollection.State.COLLECTING:
            return charge.state
        now = at or timezone.now()
        row.state = step(COLLECTION, row.state, event)
        row.reason = reason[:200]
        row.settled_at = None if event == "unknown" else now
        row.save(update_fields=["state", "reason", "settled_at"])
        if event != "collected":
            _move(charge, event)
            return charge.state
        is_refund = row.direction == FeeCollection.Direction.REFUND
        signed = -row.amount_minor if is_refund else row.amount_minor
        FeeCharge.objects.filter(pk=charge.pk).update(collected_minor=F("collected_minor") + signed)
        charge.refresh_from_db()
        is_part = charge.outstanding_minor and not is_refund
        _move(charge, "part_collected" if is_part else "collected")
        book = fee_refunded if is_refund else fee_collected
        key = f"collection:{row.command_id}"
        post([book(key, now, charge.link.account_id, charge.currency, row.amount_minor)])
        return charge.state


def _move(charge: FeeCharge, event: str) -> None:
    charge.state = step(CHARGE, charge.state, event)
    charge.save(update_fields=["state"])
