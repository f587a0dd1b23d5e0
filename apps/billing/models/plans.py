"""Fee plans, proposals to change them, what tells the people concerned, who introduced whom."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Link, Master
from apps.core.fees.terms import FeeTerms, terms_from


class Scoped(models.Model):
    """For one link, else for one master, else for all of the broker's masters."""

    master = models.ForeignKey(
        Master, on_delete=models.PROTECT, null=True, related_name="%(class)ss"
    )
    link = models.ForeignKey(Link, on_delete=models.PROTECT, null=True, related_name="%(class)ss")
    effective_from = models.DateField()
    terms = models.JSONField()  # apps.core.fees.terms.FeeTerms

    class Meta:
        abstract = True

    @property
    def fees(self) -> FeeTerms:
        return terms_from(self.terms)

    @property
    def scope(self) -> str:
        """ "link", "master" or "broker"."""
        if self.link_id is not None:
            return "link"
        return "master" if self.master_id is not None else "broker"


class FeePlan(Scoped):
    """What is charged from a day on. A change is a new row: a row is never edited.

    The plan of a link goes before its master's, that before the broker's.
    """

    class HwmBasis(models.TextChoices):
        NET = "net", _("equity after the fee")
        GROSS = "gross", _("equity before the fee")

    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["master", "effective_from"],
                condition=models.Q(master__isnull=False),
                name="fee_plan_once",
            ),
            models.UniqueConstraint(
                fields=["link", "effective_from"],
                condition=models.Q(link__isnull=False),
                name="fee_plan_of_link_once",
            ),
            models.UniqueConstraint(
                fields=["effective_from"],
                condition=models.Q(master__isnull=True, link__isnull=True),
                name="fee_plan_of_broker_once",
            ),
            models.CheckConstraint(
                condition=models.Q(master__isnull=True) | models.Q(link__isnull=True),
                name="fee_plan_of_one_scope",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} plan from {self.effective_from}"

    @property
    def rate(self) -> Decimal:
        """The performance rate, before tiers."""
        performance = self.fees.performance
        return performance.rate if performance else Decimal(0)

    @property
    def manager_share(self) -> Decimal:
        return self.fees.split.manager

    @property
    def hwm_basis(self) -> str:
        performance = self.fees.performance
        return str(performance.hwm_basis) if performance else "net"


class PlanChange(Scoped):
    """A version that one person proposes and another one approves."""

    class State(models.TextChoices):
        PROPOSED = "proposed", _("waits for a second person")
        APPROVED = "approved", _("approved")
        REJECTED = "rejected", _("rejected")
        WITHDRAWN = "withdrawn", _("withdrawn")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    state = models.CharField(max_length=10, choices=State.choices, default=State.PROPOSED)
    note = models.CharField(max_length=200, blank=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    proposed_at = models.DateTimeField(auto_now_add=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)
    decision_note = models.CharField(max_length=200, blank=True)
    plan = models.OneToOneField(FeePlan, on_delete=models.PROTECT, null=True, related_name="change")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(state="approved")
                | ~models.Q(decided_by=models.F("proposed_by")),
                name="approved_by_another",
            ),
            models.CheckConstraint(
                condition=models.Q(state="proposed") | models.Q(decided_by__isnull=False),
                name="decided_by_somebody",
            ),
        ]
        indexes = [
            models.Index(
                fields=["proposed_at"], condition=models.Q(state="proposed"), name="change_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope} from {self.effective_from}: {self.state}"


class PlanNotice(models.Model):
    """An approved change told to a person it affects: a row in the portal and an e-mail."""

    class State(models.TextChoices):
        QUEUED = "queued", _("queued")
        SENDING = "sending", _("being sent")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed")

    change = models.ForeignKey(PlanChange, on_delete=models.PROTECT, related_name="notices")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="plan_notices"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    state = models.CharField(max_length=8, choices=State.choices, default=State.QUEUED)
    attempts = models.PositiveSmallIntegerField(default=0)
    reason = models.CharField(max_length=300, blank=True)
    next_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "user"], name="told_once")]
        indexes = [
            models.Index(
                fields=["next_at"],
                condition=models.Q(state__in=["queued", "sending"]),
                name="notice_waiting",
            )
        ]

    def __str__(self) -> str:
        return f"{self.change_id} → {self.user_id}: {self.state}"


class Introduction(models.Model):
    """Who introduced a person. Introducers are introduced too: a tree, followed upwards."""

    person = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="introduction"
    )
    introducer = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="introduced"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(person=models.F("introducer")), name="introduced_by_another"
            )
        ]

    def __str__(self) -> str:
        return f"{self.introducer_id} → {self.person_id}"
