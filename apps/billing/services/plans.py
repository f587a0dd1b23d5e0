"""Setting what a master charges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import IntegrityError, transaction

from apps.accounts.audit import audit
from apps.accounts.models import Master, User
from apps.billing.models import FeePlan, FeeRun
from apps.core.errors import ConflictError, InputError


@dataclass(frozen=True, slots=True)
class NewPlan:
    """Ratios from 0 to 1: rate 0.20 is 20 % of the gain, manager_share 0.80 is 80 % of the fee."""

    rate: Decimal
    manager_share: Decimal
    effective_from: date
    hwm_basis: str = FeePlan.HwmBasis.NET


def set_fee_plan(
    actor: User | None, master: Master, new: NewPlan, *, request_id: str = ""
) -> FeePlan:
    """Add a version of the master's plan. Nothing that was settled is touched.

    Raises InputError (fee_rate_invalid, fee_split_invalid), ConflictError (fee_plan_taken when
    that day has a version, period_settled when a run covers that day already).
    """
    if not 0 <= new.rate <= 1:
        raise InputError("fee_rate_invalid", "The rate is a ratio from 0 to 1.", rate=str(new.rate))
    if not 0 <= new.manager_share <= 1:
        raise InputError(
            "fee_split_invalid",
            "The manager's share is a ratio from 0 to 1.",
            manager_share=str(new.manager_share),
        )
    has_version = FeePlan.objects.filter(master=master).exists()
    if has_version and FeeRun.objects.filter(ends_at__date__gt=new.effective_from).exists():
        raise ConflictError(
            "period_settled",
            f"Fees were settled beyond {new.effective_from}: a change begins later.",
            effective_from=str(new.effective_from),
        )
    try:
        with transaction.atomic():
            plan = FeePlan.objects.create(
                master=master,
                rate=new.rate,
                manager_share=new.manager_share,
                hwm_basis=new.hwm_basis,
                effective_from=new.effective_from,
                created_by=actor,
            )
            audit(
                actor,
                "fee_plan.set",
                f"master:{master.public_id}",
                after={
                    "rate": str(new.rate),
                    "manager_share": str(new.manager_share),
                    "hwm_basis": new.hwm_basis,
                    "effective_from": str(new.effective_from),
                },
                request_id=request_id,
            )
    except IntegrityError as error:
        raise ConflictError(
            "fee_plan_taken", f"A version begins on {new.effective_from} already."
        ) from error
    return plan
