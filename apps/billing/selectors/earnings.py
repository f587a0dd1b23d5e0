"""What a manager or introducer earned of fees, what is still to come, and what was paid out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import QuerySet, Sum

from apps.accounts.models import Link, Master, User
from apps.billing.models import FeeShare, Line
from apps.billing.selectors.settling import settle
from apps.billing.selectors.spans import Asked, rows_of

# A share counts as collected in the proportion of its charge; a reversed charge counts nothing.
_EARNED = """
SELECT c.currency, sum(s.amount_minor)::bigint,
    sum(CASE WHEN c.kind = 'rebate' THEN s.amount_minor
             ELSE div(s.amount_minor::numeric * c.collected_minor, c.amount_minor) END)::bigint
FROM billing_feeshare s
JOIN billing_feecharge c ON c.id = s.charge_id
LEFT JOIN billing_feereversal r ON r.charge_id = c.id
WHERE s.user_id = %s AND r.id IS NULL AND c.amount_minor > 0
GROUP BY c.currency ORDER BY c.currency
"""


@dataclass(frozen=True, slots=True)
class Earned:
    """In one currency: shares of fees charged, of those collected, what was paid, what is owed."""

    currency: str
    charged_minor: int
    collected_minor: int
    paid_minor: int

    @property
    def owed_minor(self) -> int:
        return self.charged_minor - self.paid_minor

    @property
    def payable_minor(self) -> int:
        """Of what is owed, what the broker has the money for."""
        return max(self.collected_minor - self.paid_minor, 0)


@dataclass(frozen=True, slots=True)
class Forecast:
    """If every running period ended now: the fees of a master's accounts, and the share of them."""

    master: Master
    currency: str
    accounts: int
    fees_minor: int
    share_minor: int


def earned_by(user: User) -> list[Earned]:
    """One a currency."""
    with connection.cursor() as cursor:
        cursor.execute(_EARNED, [user.pk])
        rows = cursor.fetchall()
    paid = _paid(user)
    return [Earned(cur, charged, taken, paid.get(cur, 0)) for cur, charged, taken in rows]


def shares_of(user: User) -> QuerySet[FeeShare]:
    """The shares the user got of charges, the latest first."""
    return (
        FeeShare.objects.filter(user=user, amount_minor__gt=0)
        .select_related("charge__run", "charge__link__account", "charge__link__master")
        .order_by("-charge__window_to", "-id")
    )


def forecast(masters: Iterable[Master], now: datetime, zone: ZoneInfo) -> list[Forecast]:
    """By master and currency. Nothing is written."""
    made = []
    for master in masters:
        rows = rows_of(
            Link.objects.filter(master=master).exclude(status=Link.Status.DETACHED).order_by("id")
        )
        sums: dict[str, list[int]] = {}
        for charge in settle(rows, Asked(now, zone)).charges:
            one = sums.setdefault(charge.window.currency, [0, 0, 0])
            one[0] += 1
            one[1] += charge.figures.fees_minor
            one[2] += charge.figures.manager_minor
        made += [Forecast(master, currency, *one) for currency, one in sorted(sums.items())]
    return made


def _paid(user: User) -> dict[str, int]:
    lines = Line.objects.filter(
        entry__key__startswith="payout:",
        account__code__in=[f"payable:manager:{user.pk}", f"payable:ib:{user.pk}"],
    )
    sums = lines.values("currency").annotate(total=Sum("amount_minor")).order_by("currency")
    return {row["currency"]: int(row["total"]) for row in sums}
