"""The record people query. Written by the engine's projection alone, rebuilt from the journal.

Volumes are steps of the symbol's volume_step, money is minor units of the account's currency,
prices are Decimal at the symbol's digits. Rows carry `seq`, the journal record they come from.
No foreign keys and few indexes on rows that come by the thousand.
"""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Side(models.IntegerChoices):
    BUY = 1, _("buy")
    SELL = -1, _("sell")


class Block(models.Model):
    """One master order, to be divided."""

    class Type(models.TextChoices):
        MARKET = "market", _("market")
        LIMIT = "limit", _("limit")
        STOP = "stop", _("stop")
        STOP_LIMIT = "stop_limit", _("stop-limit")

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        SENT = "sent", _("sent")
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        CANCELLED = "cancelled", _("cancelled")
        REJECTED = "rejected", _("rejected")

    id = models.UUIDField(primary_key=True)
    book_id = models.UUIDField()
    command_id = models.UUIDField()
    symbol = models.CharField(max_length=32)
    side = models.SmallIntegerField(choices=Side.choices)
    type = models.CharField(max_length=12, choices=Type.choices)
    state = models.CharField(max_length=12, choices=State.choices)
    volume_step = models.DecimalField(max_digits=12, decimal_places=4)
    digits = models.PositiveSmallIntegerField()
    requested_steps = models.BigIntegerField()
    volume_steps = models.BigIntegerField(default=0)  # Σ allocations: what was sent
    filled_steps = models.BigIntegerField(default=0)
    open_steps = models.BigIntegerField(default=0)
    residual_steps = models.BigIntegerField(default=0)
    # the house rounding account's gain by booking its orders at one price each: points · steps
    house_points_steps = models.BigIntegerField(default=0)
    # of a limit or stop: its price; of a stop-limit: the stop
    limit_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    stop_limit_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    stop_loss = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    take_profit = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    trailing_distance = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    trailing_step = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    expires_at = models.DateTimeField(null=True)
    open_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)
    close_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)  # last close
    rule = models.JSONField(default=dict)
    # "outside": by an EA or a terminal; "reverse"; "late"; "join": taken over of `parent_id`
    origin = models.CharField(max_length=12, blank=True)
    parent_id = models.UUIDField(null=True)
    reject_code = models.CharField(max_length=60, blank=True)
    first_ticket_id = models.BigIntegerField(null=True)
    placed_at = models.DateTimeField()
    opened_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)
    seq = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["book_id", "-placed_at"], name="block_by_book")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.get_side_display()} {self.state} {self.id}"


class Allocation(models.Model):
    """A sub-account's share of a block, and why it is that share."""

    class Leg(models.TextChoices):
        """Of an account with an order of its own; blank: it has its share of the master order."""

        WAITING = "waiting", _("waits for the master order")
        SENT = "sent", _("sent, no outcome yet")
        FILLED = "filled", _("filled")
        FAILED = "failed", _("failed")

    id = models.BigAutoField(primary_key=True)
    block_id = models.UUIDField()
    account_id = models.BigIntegerField()
    weight = models.BigIntegerField()  # what the share was weighed by, minor units of USD
    requested_steps = models.DecimalField(max_digits=24, decimal_places=8)  # the exact quota
    steps = models.BigIntegerField()
    reason = models.CharField(max_length=40, blank=True)  # a stable code when clipped or skipped
    leg_status = models.CharField(max_length=8, choices=Leg.choices, blank=True)
    leg_code = models.CharField(max_length=60, blank=True)  # why it failed, or a note
    slippage_points = models.BigIntegerField(null=True)  # own digits; positive is worse

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["block_id", "account_id"], name="share_once")
        ]

    def __str__(self) -> str:
        return f"{self.block_id} {self.account_id}: {self.steps}"


class Ticket(models.Model):
    """The position an allocation opened in the sub-account."""

    id = models.BigIntegerField(primary_key=True)
    block_id = models.UUIDField(db_index=True)
    account_id = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    side = models.SmallIntegerField(choices=Side.choices)
    steps = models.BigIntegerField()
    open_steps = models.BigIntegerField()
    volume_step = models.DecimalField(max_digits=12, decimal_places=4)
    open_price = models.DecimalField(max_digits=18, decimal_places=8)
    close_price = models.DecimalField(max_digits=18, decimal_places=8, null=True)  # last close
    realised_minor = models.BigIntegerField(default=0)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    # Since then in its account's own care, and no longer the master's.
    released_at = models.DateTimeField(null=True)
    seq = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "-opened_at"], name="ticket_by_account")]

    def __str__(self) -> str:
        return f"#{self.id} {self.symbol}"


class Deal(models.Model):
    """One executed change of a ticket."""

    class Entry(models.TextChoices):
        IN = "in", _("in")
        OUT = "out", _("out")

    id = models.BigAutoField(primary_key=True)
    ticket_id = models.BigIntegerField(db_index=True)
    block_id = models.UUIDField()
    account_id = models.BigIntegerField()
    entry = models.CharField(max_length=3, choices=Entry.choices)
    steps = models.BigIntegerField()
    price = models.DecimalField(max_digits=18, decimal_places=8)
    rate = models.DecimalField(max_digits=24, decimal_places=12, null=True)  # profit → account
    pnl_minor = models.BigIntegerField(default=0)
    slippage_points = models.BigIntegerField(null=True)  # of an account's own order
    at = models.DateTimeField()
    seq = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ticket_id", "seq"], name="deal_once")]
        indexes = [models.Index(fields=["account_id", "-at"], name="deal_by_account")]

    def __str__(self) -> str:
        return f"#{self.ticket_id} {self.entry} {self.steps}"


class CashFlow(models.Model):
    """A balance operation: money that moved without a trade."""

    class Kind(models.TextChoices):
        DEPOSIT = "deposit", _("deposit")
        WITHDRAWAL = "withdrawal", _("withdrawal")
        FEE = "fee", _("fee")
        CREDIT = "credit", _("credit")

    command_id = models.UUIDField(primary_key=True)
    account_id = models.BigIntegerField()
    kind = models.CharField(max_length=12, choices=Kind.choices)
    amount_minor = models.BigIntegerField()  # signed: what the balance changed by
    comment = models.CharField(max_length=120, blank=True)
    at = models.DateTimeField()
    seq = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["account_id", "-at"], name="flow_by_account")]

    def __str__(self) -> str:
        return f"{self.account_id} {self.kind} {self.amount_minor}"


class AccountState(models.Model):
    """An account's balance as of `seq`, and its equity as last marked."""

    account_id = models.BigIntegerField(primary_key=True)
    book_id = models.UUIDField(db_index=True)
    currency = models.CharField(max_length=8)
    opening_balance_minor = models.BigIntegerField()  # when it joined the book
    balance_minor = models.BigIntegerField()
    equity_minor = models.BigIntegerField()
    floating_minor = models.BigIntegerField(default=0)
    margin_minor = models.BigIntegerField(default=0)
    marked_at = models.DateTimeField()
    seq = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.account_id}: {self.balance_minor} {self.currency}"


class EquityPoint(models.Model):
    """The equity curve, persisted: one point a minute and one at every realised change."""

    id = models.BigAutoField(primary_key=True)
    account_id = models.BigIntegerField()
    at = models.DateTimeField()
    balance_minor = models.BigIntegerField()
    equity_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account_id", "at"], name="equity_point_once")
        ]

    def __str__(self) -> str:
        return f"{self.account_id} {self.at:%Y-%m-%d %H:%M} {self.equity_minor}"


class Bar(models.Model):
    """A one-minute candle of bid prices, as seen by the engine."""

    id = models.BigAutoField(primary_key=True)
    server_id = models.BigIntegerField()
    symbol = models.CharField(max_length=32)
    at = models.DateTimeField()
    open = models.DecimalField(max_digits=18, decimal_places=8)
    high = models.DecimalField(max_digits=18, decimal_places=8)
    low = models.DecimalField(max_digits=18, decimal_places=8)
    close = models.DecimalField(max_digits=18, decimal_places=8)
    ticks = models.PositiveIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["server_id", "symbol", "at"], name="bar_once")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.at:%Y-%m-%d %H:%M}"


class ProtectionLimits(models.Model):
    """One party's limits as the book has them; `account_id` 0 is no account (the scope says)."""

    book_id = models.UUIDField()
    scope = models.CharField(max_length=16)  # account | every_account | master
    account_id = models.BigIntegerField(default=0)
    party = models.CharField(max_length=12)  # investor | manager | broker
    limits = models.JSONField(default=dict)  # apps.core.book.risk.settings.Protection
    set_at = models.DateTimeField()
    seq = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "scope", "account_id", "party"], name="limits_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.book_id} {self.scope} {self.account_id} {self.party}"


class ProtectionStop(models.Model):
    """A stop from its trigger to its lift. Money in minor units of `currency`."""

    class Reason(models.TextChoices):
        EQUITY_STOP = "equity_stop", _("equity level")
        TRAILING_PERCENT = "trailing_percent", _("trailing, per cent")
        TRAILING_AMOUNT = "trailing_amount", _("trailing, amount")
        END_OF_DAY = "end_of_day", _("end-of-day trailing")
        DAILY_LOSS = "daily_loss", _("daily loss")
        MANUAL = "manual", _("by hand")

    class Phase(models.TextChoices):
        CLOSE_ONLY = "close_only", _("close only")
        CANCELLING = "cancelling", _("cancelling")
        CLOSING = "closing", _("closing")
        VERIFYING = "verifying", _("verifying")
        BLOCKED = "blocked", _("blocked")
        LIFTED = "lifted", _("lifted")

    id = models.UUIDField(primary_key=True)
    book_id = models.UUIDField()
    account_id = models.BigIntegerField(null=True)  # None: the master
    reason = models.CharField(max_length=20, choices=Reason.choices)
    party = models.CharField(max_length=12)
    phase = models.CharField(max_length=12, choices=Phase.choices)
    attempts = models.PositiveIntegerField(default=0)
    equity_minor = models.BigIntegerField()
    level_minor = models.BigIntegerField()
    reference_minor = models.BigIntegerField()
    currency = models.CharField(max_length=8)
    triggered_at = models.DateTimeField()
    blocked_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=12, blank=True)
    seq = models.BigIntegerField()

    class Meta:
        indexes = [
            models.Index(fields=["book_id", "-triggered_at"], name="stop_by_book"),
            models.Index(fields=["account_id", "-triggered_at"], name="stop_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.book_id} {self.account_id} {self.reason} {self.phase}"
