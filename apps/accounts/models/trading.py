"""Trading accounts, masters (a master is a book) and links."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models.servers import TradingServer


class TradingAccount(models.Model):
    """A login on a trading server. Money is not here: see allocation.AccountState."""

    class Kind(models.TextChoices):
        MASTER = "master", _("Master")
        SUB = "sub", _("Sub-account")
        HOUSE = "house", _("House rounding account")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    server = models.ForeignKey(TradingServer, on_delete=models.PROTECT, related_name="accounts")
    login = models.BigIntegerField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="accounts"
    )
    currency = models.CharField(max_length=8)
    leverage = models.PositiveIntegerField(default=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["server", "login"], name="login_once")]

    def __str__(self) -> str:
        return f"{self.login} ({self.currency})"


class Master(models.Model):
    """A manager's trading account whose trades are allocated. `public_id` is the book's id.

    `rule` and `execution` follow the book's journal.
    """

    class Execution(models.TextChoices):
        AUTO = "auto", _("as the server can")
        BLOCK = "block", _("one order, one price")
        MIRROR = "mirror", _("one order per account")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    account = models.OneToOneField(TradingAccount, on_delete=models.PROTECT, related_name="master")
    manager = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="masters"
    )
    name = models.CharField(max_length=80)
    description = models.TextField(max_length=2000, blank=True)
    # apps.core.allocation's Rule as JSON: {"method": "equity", "residual": "largest_remainder", …}
    rule = models.JSONField(default=dict)
    execution = models.CharField(max_length=8, choices=Execution.choices, default=Execution.AUTO)
    # Terms of links that have none of their own, as in Link.params; projected with the rule.
    link_defaults = models.JSONField(default=dict)
    is_public = models.BooleanField(default=False)  # may appear on leaderboards
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Link(models.Model):
    """A mandate: an investor's sub-account follows a master."""

    class Status(models.TextChoices):
        INVITED = "invited", _("Invited")
        ACTIVE = "active", _("Active")
        PAUSED = "paused", _("Paused")
        CLOSE_ONLY = "close_only", _("Close only")
        BLOCKED = "blocked", _("Blocked")
        DETACHED = "detached", _("Detached")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    master = models.ForeignKey(Master, on_delete=models.PROTECT, related_name="links")
    account = models.ForeignKey(TradingAccount, on_delete=models.PROTECT, related_name="links")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.INVITED)
    # Rule parameters and caps of this link alone: {"max_lots": "5.00", …}
    params = models.JSONField(default=dict, blank=True)
    joined_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account"],
                condition=~Q(status="detached"),
                name="account_follows_one_master",
            )
        ]

    def __str__(self) -> str:
        return f"{self.account} → {self.master} ({self.status})"
