"""Documents: numbered without gaps, never changed; their files; their delivery."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.billing.models.fees import FeeCharge


class DocumentCounter(models.Model):
    """The last number given, per legal entity, series and year. Taken under its row lock."""

    legal_entity = models.CharField(max_length=200)
    series = models.CharField(max_length=8)
    year = models.PositiveSmallIntegerField()
    last = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "series", "year"], name="document_counter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.legal_entity} {self.series}-{self.year}: {self.last}"


class Document(models.Model):
    """Issued once, never changed (the database refuses). `data` is all its file is made from."""

    class Kind(models.TextChoices):
        FEE_STATEMENT = "fee_statement", _("fee statement")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    legal_entity = models.CharField(max_length=200)
    series = models.CharField(max_length=8)
    year = models.PositiveSmallIntegerField()
    number = models.PositiveIntegerField()
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="documents"
    )
    charge = models.OneToOneField(
        FeeCharge, on_delete=models.PROTECT, null=True, related_name="document"
    )
    data = models.JSONField()
    data_sha256 = models.CharField(max_length=64)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "series", "year", "number"], name="document_number_once"
            )
        ]
        indexes = [models.Index(fields=["owner", "-issued_at"], name="document_by_owner")]

    def __str__(self) -> str:
        return self.reference

    @property
    def reference(self) -> str:
        """As printed: "FS-2026-000042"."""
        return f"{self.series}-{self.year}-{self.number:06d}"


class DocumentFile(models.Model):
    """The PDF as first rendered: one per document, append-only."""

    document = models.OneToOneField(
        Document, on_delete=models.PROTECT, primary_key=True, related_name="file"
    )
    pdf = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    rendered_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.document_id} {self.sha256}"


class Delivery(models.Model):
    """A document on its way to one address: the outbox of e-mail."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    document = models.ForeignKey(Document, on_delete=models.PROTECT, related_name="deliveries")
    to = models.EmailField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "to"], name="delivered_to_once")]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=models.Q(state__in=["queued", "sending"]),
                name="delivery_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.document_id} → {self.to}: {self.state}"
