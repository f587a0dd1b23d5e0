"""Notices: what a person must hear of, on the page and by e-mail."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class Notice(models.Model):
    """One event for one person, once (`user`, `event_id`). Written with the event's own change.

    `data`: what the words are made of: reason, set_by, equity_minor, level_minor, currency, login,
    master. Mail is an outbox: queued, claimed as sending, sent or failed with the reason.
    """

    class Kind(models.TextChoices):
        STOP_TRIGGERED = "stop_triggered", _("Equity protection has stopped trading")
        STOP_BLOCKED = "stop_blocked", _("Everything is closed; trading is blocked")
        STOP_STUCK = "stop_stuck", _("A stop cannot close everything")
        STOP_LIFTED = "stop_lifted", _("Trading is allowed again")
        SERVER_CLOSED = "server_closed", _("The trading server closed a position")

    class Mail(models.TextChoices):
        QUEUED = "queued", _("Queued")
        SENDING = "sending", _("Sending")
        SENT = "sent", _("Sent")
        FAILED = "failed", _("Failed")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices"
    )
    event_id = models.UUIDField()
    kind = models.CharField(max_length=20, choices=Kind.choices)
    book_id = models.UUIDField()
    account_id = models.BigIntegerField(null=True)  # None: the whole book
    data = models.JSONField(default=dict)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)
    mail = models.CharField(max_length=8, choices=Mail.choices, default=Mail.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "event_id"], name="notice_once")]
        indexes = [
            models.Index(fields=["user", "-at"], name="notice_by_user"),
            models.Index(
                fields=["next_at"],
                condition=models.Q(mail__in=["queued", "sending"]),
                name="notice_to_mail",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.kind} {self.event_id}"
