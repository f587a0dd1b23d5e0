"""Limits and stops as the record has them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from apps.allocation.models import ProtectionLimits, ProtectionStop


def limits_of(book_id: UUID, scope: str, account_id: int = 0) -> dict[str, dict[str, Any]]:
    """Limits by party, as apps.core.book.risk.settings.protection_as_json gives them."""
    rows = ProtectionLimits.objects.filter(book_id=book_id, scope=scope, account_id=account_id)
    return {row.party: row.limits for row in rows.order_by("party")}


def stop_in_force(book_id: UUID, account_id: int | None) -> ProtectionStop | None:
    """The stop that holds the account (None: the book) now."""
    found = ProtectionStop.objects.filter(book_id=book_id, lifted_at__isnull=True)
    if account_id is None:
        found = found.filter(account_id__isnull=True)
    else:
        found = found.filter(account_id=account_id)
    return found.order_by("-triggered_at").first()


def stopped_accounts(book_id: UUID) -> int:
    """How many accounts a stop holds now."""
    held = ProtectionStop.objects.filter(book_id=book_id, lifted_at__isnull=True)
    return held.filter(account_id__isnull=False).count()
