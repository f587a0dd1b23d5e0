"""Runs, charges, their shares, marks and collection."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Link, Master
from apps.billing.models.plans import FeePlan


class FeeRun(models.Model):
    """One period of a broker, or what happened between periods: withdrawals and leavers.

    `key` is the period as asked for, e.g. "2026-10", "2026-Q4", "2026-W43", "2026-10-21".
    `held`: links that could not be settled, [[link id, code], …]; a repeat takes them up.
    """

    class State(models.TextChoices):
        CREATED = "created", _("created")
        POSTING = "posting", _("posting")
        POSTED = "posted", _("posted")

    class Kind(models.TextChoices):
        PERIOD = "period", _("period")
        EVENTS = "events", _("withdrawals and leavers")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=32, unique=True)
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.PERIOD)
    every = models.CharField(max_length=8, default="month")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.CREATED)
    created_at = models.DateTimeField(auto_now_add=True)
    posted_at = models.DateTimeField(null=True)
    touched_at = models.DateTimeField(null=True)  # when its last chunk was posted
    links_total = models.PositiveIntegerField(default=0)
    links_done = models.PositiveIntegerField(default=0)
    held = models.JSONField(default=list)

    class Meta:
        indexes = [
            models.Index(
                fields=["created_at"], condition=~models.Q(state="posted"), name="run_unfinished"
            )
        ]

    def __str__(self) -> str:
        return f"{self.key} ({self.state})"


class FeeCharge(models.Model):
    """What one link owes for one window and kind. Amounts in minor units of `currency`.

    `figures` holds every number the statement shows (performance), or the formula's inputs.
    Figures never change; `state` and `collected_minor` follow the money. A rebate is owed by the
    broker: nothing is taken from the account.
    """

    class Kind(models.TextChoices):
        PERFORMANCE = "performance", _("performance fee")
        MANAGEMENT = "management", _("management fee")
        VOLUME = "volume", _("volume commission")
        REBATE = "rebate", _("volume rebate")
        JOINING = "joining", _("joining fee")
        EXIT = "exit", _("early-exit fee")
        MINIMUM = "minimum", _("minimum fee")

    class State(models.TextChoices):
        NOTHING = "nothing", _("nothing due")
        DUE = "due", _("due")
        COLLECTING = "collecting", _("being collected")
        COLLECTED = "collected", _("collected")
        RECEIVABLE = "receivable", _("outstanding")
        REFUND_DUE = "refund_due", _("refund due")
        REFUNDING = "refunding", _("being refunded")
        REVERSED = "reversed", _("reversed")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    run = models.ForeignKey(FeeRun, on_delete=models.PROTECT, related_name="charges")
    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="fee_charges")
    plan = models.ForeignKey(FeePlan, on_delete=models.PROTECT, related_name="+")
    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.PERFORMANCE)
    window_from = models.DateTimeField()
    window_to = models.DateTimeField()
    currency = models.CharField(max_length=8)
    equity_minor = models.BigIntegerField()
    hwm_before = models.DecimalField(max_digits=28, decimal_places=6, null=True)
    hwm_after = models.DecimalField(max_digits=28, decimal_places=6, null=True)
    amount_minor = models.BigIntegerField()
    collected_minor = models.BigIntegerField(default=0)
    figures = models.JSONField()
    state = models.CharField(max_length=12, choices=State.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["link", "run", "kind"], name="charged_once"),
            models.UniqueConstraint(
                fields=["link", "kind", "window_from"], name="window_charged_once"
            ),
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
            models.Index(fields=["link", "kind", "-window_to"], name="charge_by_link"),
            models.Index(
                fields=["state"],
                condition=models.Q(
                    state__in=["due", "collecting", "receivable", "refund_due", "refunding"]
                ),
                name="charge_unsettled",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.link_id} {self.run_id}: {self.amount_minor} {self.currency}"

    @property
    def outstanding_minor(self) -> int:
        return self.amount_minor - self.collected_minor


class FeeShare(models.Model):
    """Who gets what of a charge; the shares of a charge add up to it.

    `level`: 0 for manager and broker; 1 is who introduced the investor, 2 who introduced that one.
    """

    class Party(models.TextChoices):
        MANAGER = "manager", _("Manager")
        IB = "ib", _("Introducing broker")
        BROKER = "broker", _("Broker")

    charge = models.ForeignKey(FeeCharge, on_delete=models.PROTECT, related_name="shares")
    party = models.CharField(max_length=8, choices=Party.choices)
    level = models.PositiveSmallIntegerField(default=0)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["charge", "party", "level"], name="share_of_party_once"
            ),
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
        REVERSED = "reversed", _("fee reversed")

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
    """One attempt to take (part of) a charge from the account, or to give it back.

    `command_id` is written before anything is sent and is what a repeat asks with.
    """

    class State(models.TextChoices):
        COLLECTING = "collecting", _("being collected")
        COLLECTED = "collected", _("collected")
        REJECTED = "rejected", _("rejected")

    class Direction(models.TextChoices):
        FEE = "fee", _("taken")
        REFUND = "refund", _("given back")

    charge = models.ForeignKey(FeeCharge, on_delete=models.PROTECT, related_name="collections")
    command_id = models.UUIDField(unique=True)
    # The book that was asked: a repeat of the same command asks the same one.
    book = models.ForeignKey(Master, on_delete=models.PROTECT, null=True, related_name="+")
    is_former = models.BooleanField(default=False)  # the account had left it
    number = models.PositiveIntegerField()
    direction = models.CharField(max_length=8, choices=Direction.choices, default=Direction.FEE)
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


class FeeReversal(models.Model):
    """A charge taken back, whole: the ledger holds the mirrored entry. Append-only."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    charge = models.OneToOneField(FeeCharge, on_delete=models.PROTECT, related_name="reversal")
    at = models.DateTimeField()
    amount_minor = models.BigIntegerField()
    refund_minor = models.BigIntegerField()  # of it was collected and is given back
    reason = models.CharField(max_length=200)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )

    def __str__(self) -> str:
        return f"{self.charge_id}: {self.amount_minor}"


class DailyEquity(models.Model):
    """A link's net equity at the end of a day of the broker's time zone: what a management fee
    accrues on. Written once a day, append-only."""

    link = models.ForeignKey(Link, on_delete=models.PROTECT, related_name="daily_equity")
    day = models.DateField()
    equity_minor = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["link", "day"], name="equity_of_day_once")]

    def __str__(self) -> str:
        return f"{self.link_id} {self.day}: {self.equity_minor}"
