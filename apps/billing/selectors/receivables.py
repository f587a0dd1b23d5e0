"""What investors still owe, by account and age. Minor units of the account's currency."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import F, QuerySet

from apps.accounts.models import Link
from apps.billing.models import FeeCharge

BUCKETS = (30, 60, 90)  # days: 0–30, 31–60, 61–90, more
_OWED = (FeeCharge.State.DUE, FeeCharge.State.COLLECTING, FeeCharge.State.RECEIVABLE)


@dataclass(slots=True)
class Owed:
    """One account's debt. by_age: of the last 30 days, up to 60, up to 90, older."""

    link: Link
    currency: str
    since: datetime
    charges: int = 0
    total_minor: int = 0
    by_age: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))

    @property
    def has_left(self) -> bool:
        return self.link.status == Link.Status.DETACHED


@dataclass(frozen=True, slots=True)
class OwedTotal:
    currency: str
    accounts: int
    total_minor: int
    by_age: tuple[int, ...]


def owed_charges() -> QuerySet[FeeCharge]:
    """Charges with something outstanding, the oldest first."""
    return (
        FeeCharge.objects.filter(state__in=_OWED, amount_minor__gt=F("collected_minor"))
        .select_related("link__account__owner", "link__master", "run")
        .order_by("window_to", "id")
    )


def receivables(now: datetime) -> list[Owed]:
    """By account and master, who has owed longest first."""
    found: dict[int, Owed] = {}
    for charge in owed_charges():
        one = found.setdefault(charge.link_id, Owed(charge.link, charge.currency, charge.window_to))
        one.charges += 1
        one.total_minor += charge.outstanding_minor
        one.by_age[_bucket(now - charge.window_to)] += charge.outstanding_minor
    return list(found.values())


def totals_of(rows: list[Owed]) -> list[OwedTotal]:
    """One a currency."""
    made = []
    for currency in sorted({row.currency for row in rows}):
        mine = [row for row in rows if row.currency == currency]
        ages = tuple(sum(column) for column in zip(*(row.by_age for row in mine), strict=True))
        made.append(OwedTotal(currency, len(mine), sum(row.total_minor for row in mine), ages))
    return made


def _bucket(age: timedelta) -> int:
    return sum(age.days > days for days in BUCKETS)
