"""Changing a contract: every change moves the state, tells the broker's row and is audited, in one
transaction under the subscription's lock. No network here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from tenants.door import public_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tenants.revenue.models import Plan, PlatformInvoice, RevenueAudit, Subscription
from tenants.revenue.states import BROKER_STATUS, LASTS, step

MONTH = timedelta(days=31)
BY_TIME = "time"


@dataclass(frozen=True, slots=True)
class NewInvoice:
    """An invoice that staff writes by hand."""

    number: str
    currency: str
    total_minor: int


def start_trial(broker: Broker, days: int, actor: str, *, now: datetime | None = None) -> Any:
    """A contract that begins with `days` of trial. Raises TenantError("contract_there")."""
    now = now or timezone.now()
    if days < 1:
        raise TenantError("trial_too_short", "A trial lasts a day at least.")
    with public_schema(), transaction.atomic():
        made, is_new = Subscription.objects.get_or_create(
            broker=broker, defaults={"since": now, "until": now + timedelta(days=days)}
        )
        if not is_new:
            raise TenantError("contract_there", f"{broker.slug} has a contract already.")
        _tell_broker(made)
        _audit(made, actor, "trial.start", {}, plain(made))
    return made


def move(
    subscription_id: int,
    event: str,
    actor: str,
    *,
    until: datetime | None = None,
    changes: Mapping[str, Any] | None = None,
    now: datetime | None = None,
) -> Subscription:
    """Apply `event`; `until` overrules how long the new state lasts, `changes` are other fields.

    Raises TenantError("no_transition").
    """
    now = now or timezone.now()
    with public_schema(), transaction.atomic():
        row = Subscription.objects.select_for_update().get(pk=subscription_id)
        apply(row, event, actor, now, until, changes or {})
    return row


def apply(
    row: Subscription,
    event: str,
    actor: str,
    now: datetime,
    until: datetime | None,
    changes: Mapping[str, Any],
) -> None:
    """Move a row that the caller has locked, in the caller's transaction."""
    before, was = plain(row), row.state
    row.state = step(row.state, event)
    for name, value in changes.items():
        setattr(row, name, value)
    if row.state != was:
        row.since = now
        row.until = now + LASTS[row.state] if row.state in LASTS else None
    if until is not None or row.state == Subscription.State.ACTIVE:
        row.until = until
    row.save()
    _tell_broker(row)
    if plain(row) != before:
        _audit(row, actor, f"contract.{event}", before, plain(row))


def mark_paid(
    broker: Broker,
    until: datetime,
    actor: str,
    *,
    plan: Plan | None = None,
    invoice: NewInvoice | None = None,
    now: datetime | None = None,
) -> Subscription:
    """Paid by hand up to `until`; the invoice, when told, is on record as paid.

    Raises TenantError: paid_until_past, invoice_taken, not_manual.
    """
    now = now or timezone.now()
    if until <= now:
        raise TenantError("paid_until_past", "It is paid up to a day that is still to come.")
    with public_schema(), transaction.atomic():
        row = Subscription.objects.select_for_update().get(broker=broker)
        if row.billing != Subscription.Billing.MANUAL:
            raise TenantError("not_manual", f"{broker.slug} pays through Stripe.")
        apply(row, "paid", actor, now, until, {"plan": plan} if plan else {})
        if invoice is not None:
            _write_invoice(broker, invoice, now)
    return row


def _write_invoice(broker: Broker, new: NewInvoice, now: datetime) -> None:
    try:
        with transaction.atomic():
            PlatformInvoice.objects.create(
                broker=broker, number=new.number, currency=new.currency, paid_at=now,
                total_minor=new.total_minor, state=PlatformInvoice.State.PAID, issued_at=now,
            )  # fmt: skip
    except IntegrityError as error:
        raise TenantError("invoice_taken", f"There is an invoice {new.number} already.") from error


def extend(broker: Broker, until: datetime, actor: str, *, now: datetime | None = None) -> Any:
    """More time without payment. Raises TenantError("extended_to_past")."""
    now = now or timezone.now()
    if until <= now:
        raise TenantError("extended_to_past", "More time ends on a day that is still to come.")
    with public_schema():
        row = Subscription.objects.get(broker=broker)
    return move(row.pk, "extended", actor, until=until, now=now)


def advance(now: datetime | None = None) -> int:
    """Move every contract whose state ended by itself; how many moves. Safe to repeat.

    A contract that was not looked at for long goes through its states one by one, each lasting
    from now: nobody is suspended for a worker that slept.
    """
    now = now or timezone.now()
    moved = 0
    with public_schema():
        due = list(Subscription.objects.filter(until__lte=now).values_list("pk", flat=True))
        for pk in due:
            with transaction.atomic():
                row = Subscription.objects.select_for_update().get(pk=pk)
                if row.until is None or row.until > now:
                    continue  # paid or moved meanwhile
                apply(row, BY_TIME, BY_TIME, now, None, {})
                moved += 1
    return moved


def plain(row: Subscription) -> dict[str, Any]:
    """The contract as the audit keeps it."""
    return {
        "state": row.state,
        "until": row.until.isoformat() if row.until else None,
        "plan": row.plan.code if row.plan else None,
        "billing": row.billing,
    }


def _tell_broker(row: Subscription) -> None:
    Broker.objects.filter(pk=row.broker_id).update(status=BROKER_STATUS[row.state])


def _audit(
    row: Subscription, actor: str, action: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    RevenueAudit.objects.create(
        broker_id=row.broker_id, actor=actor, action=action, before=before, after=after
    )
