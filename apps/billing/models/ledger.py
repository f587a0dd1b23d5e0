"""Double entry, append-only, several currencies.

The database itself keeps the rules (migration 0002): an entry balances in each currency when its
transaction commits, lines join only entries of their own transaction, nothing is ever updated or
deleted. A correction is a mirrored entry.
"""

from __future__ import annotations

import uuid

from django.db import models
from django.utils.translation import gettext_lazy as _


class LedgerAccount(models.Model):
    """`code` is stable and says whose: "receivable:ACCOUNT_ID", "payable:manager:USER_ID", …"""

    class Type(models.TextChoices):
        ASSET = "asset", _("asset")
        LIABILITY = "liability", _("liability")
        INCOME = "income", _("income")
        EXPENSE = "expense", _("expense")

    code = models.CharField(max_length=80)
    currency = models.CharField(max_length=8)
    type = models.CharField(max_length=12, choices=Type.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["code", "currency"], name="ledger_account_once")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.currency}"


class Entry(models.Model):
    """The header. `key` makes posting idempotent: the same key is the same fact."""

    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    key = models.CharField(max_length=120, unique=True)
    at = models.DateTimeField()
    memo = models.CharField(max_length=200)
    # Of an entry in two currencies: units of the second for one of the first, as used.
    rate = models.DecimalField(max_digits=24, decimal_places=12, null=True)
    # The transaction that wrote it, set by the database: only that one may add lines.
    transaction_no = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return self.key


class Line(models.Model):
    """`amount_minor` > 0 is a debit, < 0 a credit, in minor units of the account's currency."""

    entry = models.ForeignKey(Entry, on_delete=models.PROTECT, related_name="lines")
    account = models.ForeignKey(LedgerAccount, on_delete=models.PROTECT, related_name="lines")
    currency = models.CharField(max_length=8)
    amount_minor = models.BigIntegerField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(amount_minor=0), name="line_is_not_zero")
        ]

    def __str__(self) -> str:
        return f"{self.account_id}: {self.amount_minor} {self.currency}"
