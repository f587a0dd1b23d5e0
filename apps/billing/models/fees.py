"""Fee plans, high-water marks, runs, charges and their collection."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Link, Master


class FeePlan(models.Model):
    """What a master charges from a day on. A change is a new row: a row is never edited.

    `rate` and `manager_share` are ratios; the broker gets what the manager's share leaves.
    """

    class HwmBasis(models.TextChoices):
        NET = "net", _("equity after the fee")
        GROSS = "gross", _("equity before the fee")

    master = models.ForeignKey(Master, on_delete=models.PROTECT, related_name="fee_plans")
    effective_from = models.DateField()
    rate = models.DecimalField(max_digits=7, decimal_places=6)
    manager_share = models.DecimalField(max_digits=7, decimal_places=6)
    hwm_basis = models.CharField(max_length=8, choices=HwmBasis.choices, default=HwmBasis.NET)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["master", "effective_from"], name="fee_plan_once"),
            models.CheckConstraint(
                condition=models.Q(rate__gte=0, rate__lte=1), name="fee_rate_is_a_ratio"
            ),
            models.CheckConstraint(
                condition=models.Q(manager_share__gte=0, manager_share__lte=1),
                name="manager_share_is_a_ratio",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.master}: {self.rate} from {self.effective_from}"


class FeeRun(models.Model):
    """One period of a broker. `key` is the period as asked for, e.g. "2026-10"."""

    class State(models.TextChoices):
        CREATED = "created", _("created")
        POSTING = "posting", _("posting")
        POSTED = "posted", _("posted")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=32, unique=True)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.CREATED)
    created_at = models.DateTimeField(auto_now_add=True)
    posted_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"


class FeeCharge(models.Model):
    """What one link owes for one window. Amounts in minor units of `currency`.

    `figures` holds every number the statement shows. Figures never change; `state` and
    `collected_minor` follow the money.
    """

    class Kind(models.TextChoices):
        PERFORMANCE = "performance", _("performance fee")

    class State(models.TextChoices):
        NOTHING = "nothing", _("nothing due")
        DUE = "due", _("due")
        COLLECTING = "collecting", _("being collected")
        COLLECTED = "collected", _("collected")
        RECEIVABLE = "receivable", _("outstanding")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(FeeRun, on_delete=models.PROTECT, related_name="charges")
    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="fee_charges")
    plan = models.ForeignKey(FeePlan, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.PERFORMANCE)
    window_from = models.DateTimeField()
    window_to = models.DateTimeField()
    currency = models.CharField(max_length=8)
    equity_minor = models.BigIntegerField()
    hwm_before = models.DecimalField(max_digits=28, decimal_places=6)
    hwm_after = models.DecimalField(max_digits=28, decimal_places=6)
    amount_minor = models.BigIntegerField()
    collected_minor = models.BigIntegerField(default=0)
    figures = models.JSONField()
    state = models.CharField(max_length=12, choices=State.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["link", "run", "kind"], name="charged_once"),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gte=0), name="fee_is_not_negative"
            ),
            models.CheckConstraint(
                condition=models.Q(
                    collected_minor__gte=0, collected_minor__lte=models.F("amount_minor")
                ),
                name="collected_at_most_the_fee",
            ),
        ]
        indexes = [
            models.Index(fields=["link", "-window_to"], name="charge_by_link"),
            models.Index(
                fields=["state"],
                condition=models.Q(state__in=["due", "collecting", "receivable"]),
                name="charge_unsettled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.link_id} {self.run_id}: {self.amount_minor} {self.currency}"

    @property
    def outstanding_minor(self) -> int:
        return self.amount_minor - self.collected_minor


class FeeShare(models.Model):
    """Who gets what of a charge; the shares of a charge add up to it."""

    class Party(models.TextChoices):
        MANAGER = "manager", _("Manager")
        BROKER = "broker", _("Broker")

    charge = models.ForeignKey(FeeCharge, on_delete=models.PROTECT, related_name="shares")
    party = models.CharField(max_length=8, choices=Party.choices)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["charge", "party"], name="share_of_party_once"),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gte=0), name="share_is_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.party}: {self.amount_minor}"


class HighWaterMark(models.Model):
    """The mark's history, append-only: each row says what moved it, from where to where."""

    class Reason(models.TextChoices):
        OPENING = "opening", _("opening equity")
        DEPOSIT = "deposit", _("deposit")
        WITHDRAWAL = "withdrawal", _("withdrawal")
        CRYSTALLISED = "crystallised", _("fee crystallised")

    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="high_water_marks")
    charge = models.ForeignKey(FeeCharge, on_delete=models.PROTECT, related_name="marks")
    at = models.DateTimeField()
    reason = models.CharField(max_length=12, choices=Reason.choices)
    equity_minor = models.BigIntegerField()
    amount_minor = models.BigIntegerField(default=0)
    fee_minor = models.BigIntegerField(default=0)
    before = models.DecimalField(max_digits=28, decimal_places=6, null=True)
    after = models.DecimalField(max_digits=28, decimal_places=6)

    class Meta:
        indexes = [models.Index(fields=["link", "-id"], name="hwm_by_link")]

    def __str__(self) -> str:
        return f"{self.link_id} {self.reason}: {self.after}"


class FeeCollection(models.Model):
    """One attempt to take (part of) a charge from the account: a balance operation.

    `command_id` is written before anything is sent and is what a repeat asks with.
    """

    class State(models.TextChoices):
        COLLECTING = "collecting", _("being collected")
        COLLECTED = "collected", _("collected")
        REJECTED = "rejected", _("rejected")

    charge = models.ForeignKey(FeeCharge, on_delete=models.PROTECT, related_name="collections")
    command_id = models.UUIDField(unique=True)
    number = models.PositiveIntegerField()
    amount_minor = models.BigIntegerField()
    state = models.CharField(max_length=12, choices=State.choices, default=State.COLLECTING)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    settled_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["charge", "number"], name="collection_numbered"),
            models.UniqueConstraint(
                fields=["charge"],
                condition=models.Q(state="collecting"),
                name="one_collection_at_a_time",
            ),
            models.CheckConstraint(
                condition=models.Q(amount_minor__gt=0), name="collection_is_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.command_id} {self.state}"
