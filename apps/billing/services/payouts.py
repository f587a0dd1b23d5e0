"""Paying managers and introducers what they are owed: recorded when the bank has paid."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import User
from apps.billing.models import LedgerAccount
from apps.billing.selectors.ledger import balance_of
from apps.billing.services.ledger import converted, paid_out, payable, post
from apps.billing.services.plans import MAY_DECIDE
from apps.core.errors import ConflictError, ForbiddenError, InputError, RejectedError
from apps.core.ints import half_up
from apps.core.money import digits_of, exact


def record_payout(
    actor: User,
    person: User,
    role: str,
    currency: str,
    amount_minor: int,
    *,
    command_id: uuid.UUID,
    note: str = "",
) -> None:
    """`person` was paid `amount_minor` as "manager" or "ib". The same command id is one payout.

    Raises ForbiddenError("not_allowed"), InputError("amount_invalid"), RejectedError
    ("more_than_owed"), ConflictError("paid_already").
    """
    _check(actor, amount_minor)
    with transaction.atomic():
        account = _owed_account(payable(role, person.pk), currency, amount_minor)
        key = f"payout:{command_id}"
        if account.lines.filter(entry__key=key).exists():
            raise ConflictError("paid_already", "This payout was recorded already.")
        memo = note.strip()[:200] or f"Paid to {person}"[:200]
        post([paid_out(key, timezone.now(), account.code, currency, amount_minor, memo)])
        audit(
            actor,
            "payout.record",
            f"user:{person.public_id}",
            after={"currency": currency, "amount_minor": amount_minor, "key": key},
        )


def convert_owed(
    actor: User,
    person: User,
    role: str,
    source: tuple[str, int],
    target: str,
    rate: Decimal,
    *,
    command_id: uuid.UUID,
) -> int:
    """What is owed in `source` (currency, minor units) becomes owed in `target`; how much.

    rate: units of the target for one of the source, stored with the entry. Raises as
    `record_payout`, and InputError("rate_invalid").
    """
    currency, amount_minor = source
    _check(actor, amount_minor)
    if not (rate.is_finite() and rate > 0) or currency == target:
        raise InputError("rate_invalid", "A rate between two currencies is positive.")
    shift = exact(10) ** (digits_of(target) - digits_of(currency))
    value = half_up(amount_minor * exact(rate) * shift)
    with transaction.atomic():
        account = _owed_account(payable(role, person.pk), currency, amount_minor)
        key = f"conversion:{command_id}"
        if account.lines.filter(entry__key=key).exists():
            raise ConflictError("converted_already", "This conversion was recorded already.")
        bought = (target, value)
        post([converted(key, timezone.now(), account.code, source, bought, rate)])
        audit(
            actor,
            "payout.convert",
            f"user:{person.public_id}",
            after={"from": currency, "amount_minor": amount_minor, "to": target, "rate": str(rate)},
        )
    return value


def _check(actor: User, amount_minor: int) -> None:
    if not actor.has_role(*MAY_DECIDE):
        raise ForbiddenError("not_allowed", "Only finance and admins record payments.")
    if amount_minor <= 0:
        raise InputError("amount_invalid", "An amount is a positive number of minor units.")


def _owed_account(code: str, currency: str, amount_minor: int) -> LedgerAccount:
    """Locked: two payouts of the same debt take turns."""
    account = LedgerAccount.objects.select_for_update().filter(code=code, currency=currency).first()
    owed = -balance_of(account).balance_minor if account is not None else 0
    if account is None or owed < amount_minor:
        raise RejectedError("more_than_owed", f"Only {owed} minor units are owed.", owed_minor=owed)
    return account
