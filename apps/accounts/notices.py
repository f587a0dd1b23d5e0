"""Notices of one's own, and sending them by e-mail: an outbox, one message for all that wait.

Claimed, sent, marked: no transaction is open while the mail server is spoken to. A process that
dies in between leaves a claim that is taken again after CLAIM_LASTS.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import formataddr

from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext

from apps.accounts.models import Notice, User
from tenants.brand import tokens_of
from tenants.door import current_broker
from tenants.models import Broker

MAX_ATTEMPTS = 6
FIRST_WAIT_S = 60
CLAIM_LASTS = timedelta(minutes=15)
MOST_PEOPLE = 100
MOST_IN_ONE = 200


@dataclass(slots=True)
class Sent:
    messages: int = 0
    retried: int = 0
    failed: int = 0


def notices_of(user: User) -> QuerySet[Notice]:
    """The user's own, newest first."""
    return Notice.objects.filter(user=user).order_by("-at", "-id")


def mark_read(user: User, now: datetime) -> int:
    """All of the user's are read; how many were not."""
    return Notice.objects.filter(user=user, read_at__isnull=True).update(read_at=now)


def deliver_due(now: datetime | None = None) -> Sent:
    """One message to each person with notices due."""
    result = Sent()
    for _ in range(MOST_PEOPLE):
        claimed = _claim(now or timezone.now())
        if not claimed:
            break
        event, reason = _send(claimed)
        _settle(claimed, event, reason, now or timezone.now())
        result.messages += event == "sent"
        result.retried += event == "retry"
        result.failed += event == "failed"
    return result


def _claim(now: datetime) -> list[Notice]:
    """What is due for one person; nobody else takes it while the claim lasts."""
    waiting = Notice.objects.filter(
        mail__in=[Notice.Mail.QUEUED, Notice.Mail.SENDING], next_at__lte=now
    )
    with transaction.atomic():
        first = waiting.select_for_update(skip_locked=True).order_by("next_at", "id").first()
        if first is None:
            return []
        mine = list(
            waiting.select_for_update(skip_locked=True, of=("self",))
            .filter(user=first.user_id)
            .select_related("user")
            .order_by("at", "id")[:MOST_IN_ONE]
        )
        for notice in mine:
            notice.mail, notice.attempts = Notice.Mail.SENDING, notice.attempts + 1
            notice.next_at = now + CLAIM_LASTS
        Notice.objects.bulk_update(mine, ["mail", "attempts", "next_at"])
        return mine


def _send(notices: list[Notice]) -> tuple[str, str]:
    """(event, reason): sent; retry on what may pass; failed on what will not."""
    try:
        message_for(notices).send()
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        return "failed" if 500 <= code < 600 else "retry", f"{code} {text!r}"
    except smtplib.SMTPResponseException as error:
        is_final = 500 <= error.smtp_code < 600
        return "failed" if is_final else "retry", f"{error.smtp_code} {error.smtp_error!r}"
    except (OSError, smtplib.SMTPException) as error:
        return "retry", f"{type(error).__name__}: {error}"
    return "sent", ""


def _settle(notices: list[Notice], event: str, reason: str, now: datetime) -> None:
    for notice in notices:
        if event == "sent":
            notice.mail = Notice.Mail.SENT
        elif event == "failed" or notice.attempts >= MAX_ATTEMPTS:
            notice.mail = Notice.Mail.FAILED
        else:
            notice.mail = Notice.Mail.QUEUED
            notice.next_at = now + timedelta(seconds=FIRST_WAIT_S * 2 ** (notice.attempts - 1))
        notice.reason = reason[:300]
    Notice.objects.bulk_update(notices, ["mail", "next_at", "reason"])


def message_for(notices: list[Notice]) -> EmailMessage:
    """The message to their one reader, in that person's language."""
    user = notices[0].user
    broker = Broker.objects.select_related("brand").get(schema_name=current_broker())
    brand = tokens_of(broker)
    with translation.override(user.language):
        title = gettext("Risk notice: %(what)s") % {"what": notices[-1].get_kind_display()}
        body = render_to_string(
            "notices/mail.txt", {"notices": notices, "user": user, "brand": brand}
        )
    domain = brand.sender_email.split("@")[-1]
    return EmailMessage(
        subject=title,
        body=body,
        from_email=formataddr((brand.display_name, brand.sender_email)),
        to=[user.email],
        headers={"Message-ID": f"<{notices[0].event_id}.{user.public_id}@{domain}>"},
    )
