"""The ledger as read: trial balance and account statements. Debits > 0, credits < 0."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import BigIntegerField, F, Q, QuerySet, Sum, Window
from django.db.models.functions import Cast, Coalesce

from apps.billing.models import LedgerAccount, Line

_DEBIT = Q(lines__amount_minor__gt=0)
_CREDIT = Q(lines__amount_minor__lt=0)


@dataclass(frozen=True, slots=True)
class Balance:
    """Sums in minor units; `credit_minor` ≥ 0."""

    debit_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        return self.debit_minor - self.credit_minor


def currencies() -> list[str]:
    return list(
        LedgerAccount.objects.order_by("currency").values_list("currency", flat=True).distinct()
    )


def trial_balance(currency: str) -> QuerySet[LedgerAccount]:
    """The currency's accounts with `debit_minor`, `credit_minor` ≥ 0 and `balance_minor`."""
    return (
        LedgerAccount.objects.filter(currency=currency)
        .annotate(
            debit_minor=_whole(Sum("lines__amount_minor", filter=_DEBIT)),
            credit_minor=-_whole(Sum("lines__amount_minor", filter=_CREDIT)),
            balance_minor=_whole(Sum("lines__amount_minor")),
        )
        .order_by("type", "code")
    )


def total_of(currency: str) -> Balance:
    """All lines of a currency: balance 0 when the books balance."""
    return _sum(Line.objects.filter(currency=currency))


def balance_of(account: LedgerAccount) -> Balance:
    return _sum(Line.objects.filter(account=account))


def lines_of(account: LedgerAccount) -> QuerySet[Line]:
    """The account's lines, newest first, each with `running_minor`, the balance after it, and
    `credit_minor`, the amount as a credit."""
    running = _whole(Window(Sum("amount_minor"), order_by=F("pk").asc()))
    return (
        Line.objects.filter(account=account)
        .select_related("entry")
        .annotate(running_minor=running, credit_minor=-F("amount_minor"))
        .order_by("-pk")
    )


def _sum(lines: QuerySet[Line]) -> Balance:
    sums = lines.aggregate(
        debit=_whole(Sum("amount_minor", filter=Q(amount_minor__gt=0))),
        credit=_whole(Sum("amount_minor", filter=Q(amount_minor__lt=0))),
    )
    return Balance(sums["debit"], -sums["credit"])


def _whole(total: Sum | Window) -> Cast:
    """PostgreSQL sums bigints to numeric; 0 where there is nothing to sum."""
    return Cast(Coalesce(total, 0, output_field=BigIntegerField()), BigIntegerField())
