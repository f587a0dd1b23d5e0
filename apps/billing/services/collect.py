"""Taking charged fees from the trading accounts, through the engine.

Each attempt has a command id of its own, written before anything is sent. An outcome that is not
known leaves the attempt "collecting": it is asked again with the same id, never sent anew.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max
from django.utils import timezone

from apps.allocation.models import AccountState
from apps.billing.models import FeeCharge, FeeCollection
from apps.billing.services.ledger import fee_collected, post
from apps.billing.states import CHARGE, COLLECTION, step
from apps.core.book.commands import AdjustBalance
from apps.core.errors import ProrataError, UnavailableError, UnknownOutcomeError
from apps.core.fees.collection import collectable
from apps.engine import client
from tenants.door import current_broker

_NAMESPACE = uuid.UUID("6f1b3a52-6a2f-4d0f-9c0b-0d7f2d1c8e11")
_ASK_AGAIN_AFTER = timedelta(hours=6)  # an account that refused is left in peace that long
_OPEN = (FeeCharge.State.DUE, FeeCharge.State.COLLECTING, FeeCharge.State.RECEIVABLE)


@dataclass(slots=True)
class CollectResult:
    """How many charges ended how in this pass."""

    collected: int = 0
    receivable: int = 0
    unknown: int = 0


def collect_due(run_id: int | None = None) -> CollectResult:
    """One pass over all unsettled charges (of a run). No transaction is open while the engine is
    asked. Safe at the same time in several processes: a charge has one attempt at a time."""
    charges = FeeCharge.objects.filter(state__in=_OPEN).order_by("id")
    if run_id is not None:
        charges = charges.filter(run_id=run_id)
    result = CollectResult()
    charges = charges.annotate(settled_at=Max("collections__settled_at"))
    lately = timezone.now() - _ASK_AGAIN_AFTER
    for charge_id, state, settled_at in list(charges.values_list("id", "state", "settled_at")):
        if state != FeeCharge.State.RECEIVABLE or settled_at is None or settled_at < lately:
            state = collect(charge_id)
        if state == FeeCharge.State.COLLECTED:
            result.collected += 1
        elif state == FeeCharge.State.COLLECTING:
            result.unknown += 1
        else:
            result.receivable += 1
    return result


def collect(charge_id: int) -> str:
    """Try once to take what is outstanding of a charge. Returns the charge's state afterwards."""
    attempt = _attempt(charge_id)
    if attempt is None:
        return FeeCharge.objects.get(pk=charge_id).state
    link = attempt.charge.link
    command = AdjustBalance(
        command_id=attempt.command_id,
        account_id=link.account_id,
        kind="fee",
        amount_minor=attempt.amount_minor,
        comment=f"{attempt.charge.get_kind_display()} {attempt.charge.run.key}".capitalize(),
        placed_by="billing",
    )
    try:
        outcome = client.execute(current_broker(), link.master.public_id, command)
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
    """The attempt under way, else a new one for what can be taken now; None when nothing can."""
    with transaction.atomic():
        charge = FeeCharge.objects.select_for_update().get(pk=charge_id)
        under_way = (
            FeeCollection.objects.select_related("charge__link__master", "charge__run")
            .filter(charge=charge, state=FeeCollection.State.COLLECTING)
            .first()
        )
        if under_way is not None or charge.state not in _OPEN:
            return under_way
        amount = min(charge.outstanding_minor, _free_minor(charge.link.account_id))
        if amount <= 0:
            _move(charge, "nothing_free")
            return None
        _move(charge, "collect")
        number = charge.collections.count() + 1
        made = FeeCollection.objects.create(
            charge=charge,
            number=number,
            command_id=uuid.uuid5(_NAMESPACE, f"{charge.public_id}:{number}"),
            amount_minor=amount,
        )
        return FeeCollection.objects.select_related("charge__link__master", "charge__run").get(
            pk=made.pk
        )


def _free_minor(account_id: int) -> int:
    """min(balance, equity − used margin) as last recorded, at least 0 (math.md §3)."""
    state = AccountState.objects.filter(account_id=account_id).first()
    if state is None:
        return 0
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
        FeeCharge.objects.filter(pk=charge.pk).update(
            collected_minor=F("collected_minor") + row.amount_minor
        )
        charge.refresh_from_db()
        _move(charge, "part_collected" if charge.outstanding_minor else "collected")
        account_id = charge.link.account_id
        key = f"collection:{row.command_id}"
        post([fee_collected(key, now, account_id, charge.currency, row.amount_minor)])
        return charge.state


def _move(charge: FeeCharge, event: str) -> None:
    charge.state = step(CHARGE, charge.state, event)
    charge.save(update_fields=["state"])
