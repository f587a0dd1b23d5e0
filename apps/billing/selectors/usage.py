"""What the broker uses of the platform: accounts that follow a master, and their equity."""

from __future__ import annotations

from django.db.models import Sum

from apps.accounts.models import Link
from apps.allocation.models import AccountState
from tenants.revenue.usage import Usage


def usage_now() -> Usage:
    """Of the open schema: links joined and not left; equity as last marked, by currency."""
    accounts = list(
        Link.objects.filter(joined_at__isnull=False, left_at=None).values_list(
            "account_id", flat=True
        )
    )
    sums = (
        AccountState.objects.filter(account_id__in=accounts)
        .values("currency")
        .annotate(equity=Sum("equity_minor"))
        .order_by("currency")
    )
    return Usage(len(accounts), {row["currency"]: int(row["equity"]) for row in sums})
