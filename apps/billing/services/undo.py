"""Taking a settlement back with everything it put on paper, in one transaction."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from apps.accounts.models import Link, User
from apps.billing.models import Document, FeeRun
from apps.billing.services.credit_notes import credit_settlement
from apps.billing.services.queue import DELIVER, after_commit
from apps.billing.services.reversal import reverse_settlement
from apps.billing.services.run_documents import issue_run_documents
from tenants.models import Broker


def undo_settlement(
    actor: User, run: FeeRun, link: Link, broker: Broker, reason: str, *, request_id: str = ""
) -> list[Document]:
    """Reverse every charge of a link in a run, mirror its documents by credit notes, and issue the
    run's summaries that it was on again, without it. The credit notes.

    Raises as of reverse_settlement.
    """
    now = timezone.now()
    with transaction.atomic():
        reverse_settlement(actor, run, link, reason, request_id=request_id)
        notes = credit_settlement(
            actor, run, link, broker, reason.strip()[:200], now, request_id=request_id
        )
        issue_run_documents(run, broker, now=now)
        after_commit(DELIVER)
    return notes
