"""A manager's past elsewhere, imported from a statement. Money is in the account's currency."""

from __future__ import annotations

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Master


class TrackRecord(models.Model):
    """One imported statement of one account. Written once, never changed."""

    class Source(models.TextChoices):
        MT4 = "mt4_statement", _("MetaTrader 4 statement")

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    master = models.ForeignKey(Master, on_delete=models.PROTECT, related_name="track_records")
    source = models.CharField(max_length=20, choices=Source.choices)
    source_sha256 = models.CharField(max_length=64, unique=True)
    account = models.CharField(max_length=32)  # the number at the other broker
    currency = models.CharField(max_length=8)
    leverage = models.PositiveIntegerField(default=0)  # 0: not stated
    utc_offset_minutes = models.SmallIntegerField(default=0)  # of the server's printed times
    printed_at = models.DateTimeField()
    opening_balance = models.DecimalField(max_digits=20, decimal_places=4)
    closing_balance = models.DecimalField(max_digits=20, decimal_places=4)
    equity = models.DecimalField(max_digits=20, decimal_places=4)
    figures_agreed = models.PositiveSmallIntegerField()  # of the file's own summary
    prices_agreed = models.PositiveIntegerField()  # profits recomputed from prices alone
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"{self.get_source_display()} {self.account} → {self.master}"


class TrackedTrade(models.Model):
    """A trade or pending order of the statement."""

    class State(models.TextChoices):
        CLOSED = "closed", _("closed")
        OPEN = "open", _("open")
        CANCELLED = "cancelled", _("cancelled")

    record = models.ForeignKey(TrackRecord, on_delete=models.CASCADE, related_name="trades")
    account = models.CharField(max_length=32)  # with `ticket` unique: no trade counts twice
    ticket = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State.choices)
    kind = models.CharField(max_length=12)  # buy, sell, buy limit, …
    symbol = models.CharField(max_length=32)
    lots = models.DecimalField(max_digits=14, decimal_places=4)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    open_price = models.DecimalField(max_digits=18, decimal_places=8)
    close_price = models.DecimalField(max_digits=18, decimal_places=8)
    stop_loss = models.DecimalField(max_digits=18, decimal_places=8)
    take_profit = models.DecimalField(max_digits=18, decimal_places=8)
    commission = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    taxes = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    swap = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    profit = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    net = models.DecimalField(max_digits=20, decimal_places=4, default=0)
    note = models.CharField(max_length=120, blank=True)
    # agrees, differs, needs_rate, not_fx; empty for what has no profit to check
    price_check = models.CharField(max_length=12, blank=True)
    recomputed_profit = models.DecimalField(max_digits=20, decimal_places=4, null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "ticket"],
                condition=Q(state="closed"),
                name="tracked_trade_closed_once",
            )
        ]

    def __str__(self) -> str:
        return f"#{self.ticket} {self.kind} {self.symbol}"


class TrackedFlow(models.Model):
    """A deposit (+), withdrawal (−) or credit of the statement."""

    record = models.ForeignKey(TrackRecord, on_delete=models.CASCADE, related_name="flows")
    ticket = models.BigIntegerField()
    kind = models.CharField(max_length=8)  # balance, credit
    at = models.DateTimeField()
    amount = models.DecimalField(max_digits=20, decimal_places=4)
    comment = models.CharField(max_length=120, blank=True)

    def __str__(self) -> str:
        return f"#{self.ticket} {self.kind} {self.amount}"
