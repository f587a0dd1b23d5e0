"""Sending documents by e-mail: an outbox in the database, real SMTP, back-off, reasons kept.

Claimed, sent, marked: three steps, no transaction open while the mail server is spoken to. A
process that dies in between leaves a claim that is taken again after CLAIM_LASTS; the Message-ID
is the same then, so that the reader's side can tell a repeat.
"""

from __future__ import annotations

import smtplib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import User
from apps.billing.models import Delivery
from apps.billing.services.messages import message_for
from apps.billing.services.queue import DELIVER, after_commit
from apps.billing.states import DELIVERY, step
from apps.core.errors import ProrataError, UnavailableError

MAX_ATTEMPTS = 6
FIRST_WAIT_S = 60
CLAIM_LASTS = timedelta(minutes=15)
BATCH = 100


@dataclass(slots=True)
class DeliverResult:
    sent: int = 0
    retried: int = 0
    failed: int = 0


def deliver_due(now: datetime | None = None) -> DeliverResult:
    """Send what is due, up to BATCH; the rest and the retries are queued again."""
    result = DeliverResult()
    for _ in range(BATCH):
        delivery = _claim(now or timezone.now())
        if delivery is None:
            return result
        event, reason = _send(delivery)
        state = _settle(delivery, event, reason, now or timezone.now())
        if state == Delivery.State.SENT:
            result.sent += 1
        elif state == Delivery.State.QUEUED:
            result.retried += 1
        else:
            result.failed += 1
    after_commit(DELIVER)
    return result


def requeue(actor: User, delivery: Delivery, *, request_id: str = "") -> None:
    """Send what failed or came back again, from its first attempt. Raises StateError else."""
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        row.state = step(DELIVERY, row.state, "requeue")
        row.attempts, row.next_at = 0, timezone.now()
        row.save(update_fields=["state", "attempts", "next_at"])
        audit(actor, "delivery.requeue", f"delivery:{row.pk}", request_id=request_id)
        after_commit(DELIVER)


def record_bounce(message_id: str, to: str, reason: str) -> bool:
    """A message that was accepted came back, as its report says. False when it is none of ours."""
    token = message_id.strip().strip("<>").partition("@")[0].partition(".")[0]
    try:
        named = uuid.UUID(token)
    except ValueError:
        return False
    with transaction.atomic():
        delivery = (
            Delivery.objects.select_for_update(of=("self",))
            .filter(Q(document__public_id=named) | Q(run__public_id=named), to__iexact=to)
            .filter(state=Delivery.State.SENT)
            .first()
        )
        if delivery is None:
            return False
        delivery.state = step(DELIVERY, delivery.state, "bounced")
        delivery.reason = reason[:300]
        delivery.save(update_fields=["state", "reason"])
    return True


def _claim(now: datetime) -> Delivery | None:
    with transaction.atomic():
        silent = Q(state=Delivery.State.SENDING, claimed_at__lt=now - CLAIM_LASTS)
        delivery = (
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(Q(state=Delivery.State.QUEUED, next_at__lte=now) | silent)
            .select_related("document", "run")
            .order_by("next_at", "id")
            .first()
        )
        if delivery is None:
            return None
        delivery.state = step(DELIVERY, delivery.state, "claim")
        delivery.claimed_at = now
        delivery.attempts += 1
        delivery.save(update_fields=["state", "claimed_at", "attempts"])
        return delivery


def _send(delivery: Delivery) -> tuple[str, str]:
    """(event, reason): sent; retry on what may pass; failed on what will not."""
    try:
        message_for(delivery).send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _verdict(code), f"{code} {_text(text)}"
    except smtplib.SMTPResponseException as error:
        return _verdict(error.smtp_code), f"{error.smtp_code} {_text(error.smtp_error)}"
    except (OSError, smtplib.SMTPException) as error:
        return "retry", f"{type(error).__name__}: {error}"
    except UnavailableError as error:
        return "retry", f"{error.code}: {error.message}"
    except ProrataError as error:
        return "failed", f"{error.code}: {error.message}"
    return "sent", ""


def _verdict(code: int) -> str:
    return "failed" if 500 <= code < 600 else "retry"


def _text(said: bytes | str) -> str:
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else said


def _settle(delivery: Delivery, event: str, reason: str, now: datetime) -> str:
    if event == "retry" and delivery.attempts >= MAX_ATTEMPTS:
        event = "failed"
    with transaction.atomic():
        row = Delivery.objects.select_for_update().get(pk=delivery.pk)
        if row.state != Delivery.State.SENDING:
            return row.state
        row.state = step(DELIVERY, row.state, event)
        row.reason = reason[:300]
        row.sent_at = now if event == "sent" else None
        if event == "retry":
            wait_s = FIRST_WAIT_S * 2 ** (row.attempts - 1)
            row.next_at = now + timedelta(seconds=wait_s)
            after_commit(DELIVER, countdown_s=wait_s)
        row.save(update_fields=["state", "reason", "sent_at", "next_at"])
        return row.state
