"""Telling people of an approved change of their fees by e-mail: an outbox like the documents'."""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr

from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext

from apps.billing.broker import broker_now
from apps.billing.models import PlanNotice
from apps.billing.plan_words import rows_of
from apps.billing.services.queue import NOTIFY, after_commit
from apps.billing.site import site_of
from apps.billing.states import DELIVERY, step
from tenants.brand import tokens_of

MAX_ATTEMPTS = 6
FIRST_WAIT_S = 60
CLAIM_LASTS = timedelta(minutes=15)
BATCH = 100


@dataclass(slots=True)
class NotifyResult:
    sent: int = 0
    retried: int = 0
    failed: int = 0


def notify_due(now: datetime | None = None) -> NotifyResult:
    """Send what is due, up to BATCH; no transaction is open while the mail server is spoken to."""
    result = NotifyResult()
    for _ in range(BATCH):
        notice = _claim(now or timezone.now())
        if notice is None:
            return result
        event, reason = _send(notice)
        state = _settle(notice, event, reason, now or timezone.now())
        if state == PlanNotice.State.SENT:
            result.sent += 1
        elif state == PlanNotice.State.QUEUED:
            result.retried += 1
        else:
            result.failed += 1
    with transaction.atomic():
        after_commit(NOTIFY)
    return result


def _claim(now: datetime) -> PlanNotice | None:
    with transaction.atomic():
        silent = Q(state=PlanNotice.State.SENDING, claimed_at__lt=now - CLAIM_LASTS)
        notice = (
            PlanNotice.objects.select_for_update(skip_locked=True, of=("self",))
            .filter(Q(state=PlanNotice.State.QUEUED, next_at__lte=now) | silent)
            .select_related("change__master", "change__link__master", "user")
            .order_by("next_at", "id")
            .first()
        )
        if notice is None:
            return None
        notice.state = step(DELIVERY, notice.state, "claim")
        notice.claimed_at = now
        notice.attempts += 1
        notice.save(update_fields=["state", "claimed_at", "attempts"])
        return notice


def _send(notice: PlanNotice) -> tuple[str, str]:
    try:
        message_for(notice).send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return _verdict(code), f"{code} {text!r}"
    except smtplib.SMTPResponseException as error:
        return _verdict(error.smtp_code), f"{error.smtp_code} {error.smtp_error!r}"
    except (OSError, smtplib.SMTPException) as error:
        return "retry", f"{type(error).__name__}: {error}"
    return "sent", ""


def _verdict(code: int) -> str:
    return "failed" if 500 <= code < 600 else "retry"


def _settle(notice: PlanNotice, event: str, reason: str, now: datetime) -> str:
    if event == "retry" and notice.attempts >= MAX_ATTEMPTS:
        event = "failed"
    with transaction.atomic():
        row = PlanNotice.objects.select_for_update().get(pk=notice.pk)
        if row.state != PlanNotice.State.SENDING:
            return row.state
        row.state = step(DELIVERY, row.state, event)
        row.reason = reason[:300]
        row.sent_at = now if event == "sent" else None
        if event == "retry":
            row.next_at = now + timedelta(seconds=FIRST_WAIT_S * 2 ** (row.attempts - 1))
        row.save(update_fields=["state", "reason", "sent_at", "next_at"])
        return row.state


def message_for(notice: PlanNotice) -> EmailMultiAlternatives:
    """The branded message in the reader's language: what is charged, from when on."""
    broker = broker_now()
    brand, change = tokens_of(broker), notice.change
    master = change.link.master if change.link is not None else change.master
    with translation.override(notice.user.language):
        context = {
            "name": notice.user.full_name or notice.user.email,
            "master": master.name if master is not None else "",
            "day": date_format(change.effective_from),
            "rows": rows_of(change.fees),
            "brand": brand,
            "site": site_of(broker),
            "language": notice.user.language,
        }
        message = EmailMultiAlternatives(
            subject=gettext("Your fees change on %(day)s") % {"day": context["day"]},
            body=render_to_string("billing/mail/plan_change.txt", context),
            from_email=formataddr((brand.display_name, brand.sender_email)),
            to=[notice.user.email],
            reply_to=[brand.support_email] if brand.support_email else None,
            headers={
                "Message-ID": f"<plan-{change.public_id}-{notice.pk}"
                f"@{brand.sender_email.split('@')[-1]}>"
            },
        )
        html = render_to_string("billing/mail/plan_change.html", context)
        message.attach_alternative(html, "text/html")
    return message
