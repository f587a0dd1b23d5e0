"""Posting to the ledger. The database checks the balance when the transaction commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apps.billing.models import Entry, LedgerAccount, Line

Type = LedgerAccount.Type


@dataclass(frozen=True, slots=True)
class Posting:
    """One line: `amount_minor` > 0 debit, < 0 credit; zero lines are left out."""

    code: str
    type: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class NewEntry:
    """`key` names the fact; posting the same fact again fails (unique)."""

    key: str
    at: datetime
    memo: str
    currency: str
    postings: tuple[Posting, ...]


def fee_charged(
    key: str, at: datetime, account_id: int, currency: str, shares: Sequence[tuple[str, int]]
) -> NewEntry:
    """The investor owes the fee; the manager and the broker are owed their shares of it.

    `shares`: ledger account code → minor units; "income:fees" is the broker's own.
    """
    total = sum(amount for _, amount in shares)
    postings = [Posting(f"receivable:{account_id}", Type.ASSET, total)]
    for code, amount in shares:
        kind = Type.INCOME if code.startswith("income:") else Type.LIABILITY
        postings.append(Posting(code, kind, -amount))
    return NewEntry(key, at, "Performance fee charged", currency, tuple(postings))


def fee_collected(
    key: str, at: datetime, account_id: int, currency: str, amount_minor: int
) -> NewEntry:
    """The fee was taken from the trading account: the broker holds the money."""
    return NewEntry(
        key,
        at,
        "Performance fee collected",
        currency,
        (
            Posting("cash:trading_servers", Type.ASSET, amount_minor),
            Posting(f"receivable:{account_id}", Type.ASSET, -amount_minor),
        ),
    )


def post(entries: Iterable[NewEntry]) -> None:
    """Write entries with their lines. Inside the caller's transaction.

    A wrong balance raises IntegrityError at the commit, a key posted before at once.
    """
    assert transaction.get_connection().in_atomic_block, "post() outside a transaction"
    wanted = [entry for entry in entries if any(p.amount_minor for p in entry.postings)]
    accounts = _accounts(wanted)
    headers = Entry.objects.bulk_create(
        Entry(key=entry.key, at=entry.at, memo=entry.memo) for entry in wanted
    )
    Line.objects.bulk_create(
        Line(
            entry=header,
            account_id=accounts[posting.code, entry.currency],
            currency=entry.currency,
            amount_minor=posting.amount_minor,
        )
        for header, entry in zip(headers, wanted, strict=True)
        for posting in entry.postings
        if posting.amount_minor
    )


def _accounts(entries: Iterable[NewEntry]) -> dict[tuple[str, str], int]:
    """Ids of the ledger accounts named, made where missing."""
    types = {
        (posting.code, entry.currency): posting.type
        for entry in entries
        for posting in entry.postings
    }
    LedgerAccount.objects.bulk_create(
        (LedgerAccount(code=c, currency=cur, type=t) for (c, cur), t in sorted(types.items())),
        ignore_conflicts=True,
    )
    rows = LedgerAccount.objects.filter(code__in={code for code, _ in types})
    return {(row.code, row.currency): row.id for row in rows}
