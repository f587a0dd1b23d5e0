"""The engine's own tables, one set per broker. The hot path writes them by SQL (see sql.py)."""

from __future__ import annotations

from django.db import models


class JournalRecord(models.Model):
    """One decision of one book, chained to the one before it (apps.core.book.records)."""

    pk = models.CompositePrimaryKey("book_id", "seq")
    book_id = models.UUIDField()
    seq = models.BigIntegerField()
    epoch = models.BigIntegerField()
    at_ms = models.BigIntegerField()
    command_id = models.UUIDField()
    body = models.BinaryField()
    digest = models.BinaryField()

    class Meta:
        db_table = "engine_journal"
        constraints = [
            models.UniqueConstraint(fields=["book_id", "command_id"], name="command_once")
        ]

    def __str__(self) -> str:
        return f"{self.book_id} #{self.seq}"


class Lease(models.Model):
    """Who runs a book. Every append checks `epoch`; a take-over raises it by one.

    `sessions`: the name of the owner's database sessions (application_name).
    """

    book_id = models.UUIDField(primary_key=True)
    owner = models.CharField(max_length=120)
    epoch = models.BigIntegerField()
    heartbeat_at = models.DateTimeField()
    sessions = models.CharField(max_length=63, default="", db_default="")

    def __str__(self) -> str:
        return f"{self.book_id}: {self.owner} epoch {self.epoch}"


class Snapshot(models.Model):
    """A book's state after `seq`: bounds the replay, proves nothing (the journal does)."""

    book_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField()
    digest = models.BinaryField()
    state = models.BinaryField()
    version = models.CharField(max_length=16)

    def __str__(self) -> str:
        return f"{self.book_id} at {self.seq}"


class ProjectionCursor(models.Model):
    """How far the journal has been projected: moved in the transaction that writes the rows."""

    book_id = models.UUIDField(primary_key=True)
    seq = models.BigIntegerField()
    projected_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.book_id} to {self.seq}"


class Reconciliation(models.Model):
    """The last comparison of a book with its trading server.

    `accounts`: balances compared; `tickets_of`: accounts whose tickets were compared this time.
    """

    book_id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    accounts = models.IntegerField()
    tickets_of = models.IntegerField()

    def __str__(self) -> str:
        return f"{self.book_id} at {self.at}"


class Difference(models.Model):
    """What the trading server says otherwise than the book; deleted when it is gone.

    `account_id`, `ticket_id` 0: the master's, none. Times: first and last seen.
    """

    book_id = models.UUIDField()
    kind = models.CharField(max_length=16)
    account_id = models.BigIntegerField()
    ticket_id = models.BigIntegerField()
    expected = models.CharField(max_length=120)
    found = models.CharField(max_length=120)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["book_id", "kind", "account_id", "ticket_id"], name="difference_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.account_id}: {self.found} instead of {self.expected}"
