"""Documents: numbered without gaps, never changed; their files; their delivery."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.billing.models.fees import FeeCharge, FeeRun


class LegalEntity(models.Model):
    """Who issues documents, one row per broker. A document freezes what stands here when issued;
    another name starts number series of its own."""

    class Tax(models.TextChoices):
        NONE = "none", _("no tax is shown")
        EXEMPT = "exempt", _("exempt, with the text below")
        INCLUDED = "included", _("included in the fees at the rate below")

    name = models.CharField(max_length=200)
    address = models.TextField(max_length=500, blank=True)
    registration_no = models.CharField(max_length=60, blank=True)
    tax_id = models.CharField(max_length=40, blank=True)
    tax = models.CharField(max_length=8, choices=Tax.choices, default=Tax.NONE)
    tax_name = models.CharField(max_length=20, default="VAT")
    tax_rate = models.DecimalField(max_digits=6, decimal_places=5, default=0)
    exemption_text = models.CharField(max_length=300, blank=True)
    issues_invoices = models.BooleanField(default=False)
    archives = models.BooleanField(default=False)  # PDF/A-3b with the data attached

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(tax_rate__gte=0, tax_rate__lt=1), name="tax_rate_is_a_ratio"
            )
        ]

    def __str__(self) -> str:
        return self.name


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
        REMITTANCE = "remittance", _("remittance advice")
        INVOICE = "invoice", _("invoice")
        CREDIT_NOTE = "credit_note", _("credit note")

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
    # Of a run's summary documents: which run, and which issue of it (a corrected one is the next).
    run = models.ForeignKey(FeeRun, on_delete=models.PROTECT, null=True, related_name="documents")
    revision = models.PositiveSmallIntegerField(default=1)
    # What a credit note reverses: one document, once, exactly (migration 0021 keeps it).
    mirrors = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, related_name="credit_note"
    )
    currency = models.CharField(max_length=8, default="")
    total_minor = models.BigIntegerField(default=0)
    data = models.JSONField()
    data_sha256 = models.CharField(max_length=64)
    issued_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["legal_entity", "series", "year", "number"], name="document_number_once"
            ),
            models.UniqueConstraint(
                fields=["run", "kind", "owner", "currency", "revision"],
                condition=models.Q(kind__in=["remittance", "invoice"]),
                name="run_document_once",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="credit_note", mirrors__isnull=False)
                | (~models.Q(kind="credit_note") & models.Q(mirrors__isnull=True)),
                name="credit_note_mirrors_one",
            ),
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
    """A document (or a run's summary) on its way to one address: the outbox of e-mail."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")
        BOUNCED = "bounced", _("came back")

    # A document to its owner; without one, the summary of a run to finance.
    document = models.ForeignKey(
        Document, on_delete=models.PROTECT, null=True, related_name="deliveries"
    )
    run = models.ForeignKey(FeeRun, on_delete=models.PROTECT, null=True, related_name="summaries")
    to = models.EmailField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["document", "to"], name="delivered_to_once"),
            models.UniqueConstraint(fields=["run", "to"], name="summarised_to_once"),
            models.CheckConstraint(
                condition=models.Q(document__isnull=False, run__isnull=True)
                | models.Q(document__isnull=True, run__isnull=False),
                name="delivery_of_one_thing",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=models.Q(state__in=["queued", "sending"]),
                name="delivery_waiting",
            )
        ]

    def __str__(self) -> str:
        what = f"document {self.document_id}" if self.document_id else f"run {self.run_id}"
        return f"{what} → {self.to}: {self.state}"
