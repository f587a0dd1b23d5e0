"""Writing the audit trail: one call per action, inside the action's own transaction."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from apps.accounts.models import AuditEntry, User


def audit(
    actor: User | None,
    action: str,
    subject: str,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    request_id: str = "",
) -> AuditEntry:
    """Record `action` on `subject`. Asserts that a transaction is open: no change without it."""
    assert transaction.get_connection().in_atomic_block, "audit() outside a transaction"
    return AuditEntry.objects.create(
        actor=actor,
        action=action,
        subject=subject,
        before=before,
        after=after,
        reason=reason,
        request_id=request_id,
    )
