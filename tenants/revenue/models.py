"""Revenue's tables, all in the public schema. Money in minor units of the row's currency."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from tenants.models import Broker


class Plan(models.Model):
    """What a broker may subscribe to. `stripe_price` is the price's id at Stripe, "" without."""

    code = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    currency = models.CharField(max_length=3, default="USD")
    month_minor = models.BigIntegerField()
    included_accounts = models.PositiveIntegerField(default=0)
    account_minor = models.BigIntegerField(default=0)  # a month, each account above the included
    stripe_price = models.CharField(max_length=120, blank=True)
    is_offered = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.name


class Subscription(models.Model):
    """A broker's contract. `until`: when the state ends by itself; None: something must happen."""

    class State(models.TextChoices):
        TRIAL = "trial", _("trial")
        ACTIVE = "active", _("active")
        GRACE = "grace", _("payment due")
        READ_ONLY = "read_only", _("read only")
        SUSPENDED = "suspended", _("suspended")

    class Billing(models.TextChoices):
        MANUAL = "manual", _("by hand")
        STRIPE = "stripe", _("Stripe")

    broker = models.OneToOneField(Broker, on_delete=models.CASCADE, related_name="subscription")
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, null=True, related_name="+")
    state = models.CharField(max_length=12, choices=State.choices, default=State.TRIAL)
    billing = models.CharField(max_length=8, choices=Billing.choices, default=Billing.MANUAL)
    since = models.DateTimeField()
    until = models.DateTimeField(null=True)
    stripe_customer = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001
    stripe_subscription = models.CharField(max_length=120, blank=True)
    # When the last answer of Stripe that is written here was asked for: an older one is stale.
    synced_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.broker}: {self.state}"


class UsageDay(models.Model):
    """What was in use on a day (UTC): accounts that follow a master, and their equity."""

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="usage")
    day = models.DateField()
    active_accounts = models.PositiveIntegerField()
    aum_minor = models.JSONField(default=dict)  # currency → minor units
    measured_at = models.DateTimeField()
    reported_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["broker", "day"], name="usage_once_a_day")]

    def __str__(self) -> str:
        return f"{self.broker} {self.day}: {self.active_accounts}"


class PlatformInvoice(models.Model):
    """What the platform asked of a broker: Stripe's invoices as last read, or written by staff."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        PAID = "paid", _("paid")
        VOID = "void", _("void")

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="platform_invoices")
    number = models.CharField(max_length=80, unique=True)
    currency = models.CharField(max_length=3)
    total_minor = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    issued_at = models.DateTimeField()
    paid_at = models.DateTimeField(null=True)
    stripe_id = models.CharField(max_length=120, null=True, unique=True)  # noqa: DJ001
    page_url = models.URLField(max_length=500, blank=True)

    def __str__(self) -> str:
        return self.number


class StripeEvent(models.Model):
    """Every event that Stripe sent with a right signature, once: what became of it."""

    class Outcome(models.TextChoices):
        APPLIED = "applied", _("applied")
        STALE = "stale", _("older than what is known")
        IGNORED = "ignored", _("not of a broker")
        REFUSED = "refused", _("names another broker")

    id = models.CharField(max_length=120, primary_key=True)
    kind = models.CharField(max_length=80)
    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, null=True, related_name="+")
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    received_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.id} {self.kind}: {self.outcome}"


class RevenueAudit(models.Model):
    """Who changed a contract, when, from what to what."""

    broker = models.ForeignKey(Broker, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    actor = models.CharField(max_length=254)  # a staff member's e-mail, "stripe" or "time"
    action = models.CharField(max_length=40)
    before = models.JSONField(default=dict)
    after = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"{self.broker} {self.action} by {self.actor}"


class StaffMember(models.Model):
    """Who runs the platform. Logs in on the platform's own host, nowhere else."""

    email = models.EmailField(unique=True)
    password = models.CharField(max_length=200)
    is_active = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.email
