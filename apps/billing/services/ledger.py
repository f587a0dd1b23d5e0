"""Posting to the ledger. The database checks the balance when the transaction commits."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from apps.billing.models import Entry, LedgerAccount, Line
from apps.billing.services.copying import copy_rows, next_ids

Type = LedgerAccount.Type
CASH = "cash:trading_servers"
BANK = "cash:bank"
REBATES = "expense:rebates"
EXCHANGE = "exchange"  # both sides of a conversion: its balances are the open currency position


@dataclass(frozen=True, slots=True)
class Posting:
    """One line: `amount_minor` > 0 debit, < 0 credit; zero lines are left out. `currency` where
    it is not the entry's."""

    code: str
    type: str
    amount_minor: int
    currency: str = ""


@dataclass(frozen=True, slots=True)
class NewEntry:
    """`key` names the fact; posting the same fact again fails (unique). rate: of an entry in two
    currencies, units of the second for one of the first."""

    key: str
    at: datetime
    memo: str
    currency: str
    postings: tuple[Posting, ...]
    rate: Decimal | None = None

    def lines(self) -> list[tuple[str, str, str, int]]:
        """(code, type, currency, amount) of what is posted."""
        return [
            (one.code, one.type, one.currency or self.currency, one.amount_minor)
            for one in self.postings
            if one.amount_minor
        ]


def receivable(account_id: int) -> str:
    return f"receivable:{account_id}"


def payable(role: str, user_id: int) -> str:
    """role: "manager" or "ib"."""
    return f"payable:{role}:{user_id}"


def fee_charged(
    key: str,
    at: datetime,
    account_id: int,
    currency: str,
    shares: Sequence[tuple[str, int]],
    memo: str = "Performance fee charged",
) -> NewEntry:
    """The investor owes the fee; the manager and the broker are owed their shares of it.

    `shares`: ledger account code → minor units; "income:…" is the broker's own.
    """
    total = sum(amount for _, amount in shares)
    postings = [Posting(receivable(account_id), Type.ASSET, total)]
    postings += [Posting(code, _type(code), -amount) for code, amount in shares]
    return NewEntry(key, at, memo, currency, tuple(postings))


def rebate_granted(
    key: str, at: datetime, currency: str, shares: Sequence[tuple[str, int]]
) -> NewEntry:
    """The broker owes a rebate to manager and introducers: its own cost."""
    total = sum(amount for _, amount in shares)
    postings = [Posting(REBATES, Type.EXPENSE, total)]
    postings += [Posting(code, _type(code), -amount) for code, amount in shares]
    return NewEntry(key, at, "Rebate granted", currency, tuple(postings))


def fee_collected(
    key: str, at: datetime, account_id: int, currency: str, amount_minor: int
) -> NewEntry:
    """The fee was taken from the trading account: the broker holds the money."""
    return NewEntry(
        key,
        at,
        "Fee collected",
        currency,
        (
            Posting(CASH, Type.ASSET, amount_minor),
            Posting(receivable(account_id), Type.ASSET, -amount_minor),
        ),
    )


def fee_refunded(
    key: str, at: datetime, account_id: int, currency: str, amount_minor: int
) -> NewEntry:
    """What was collected of a reversed fee went back to the trading account."""
    back = fee_collected(key, at, account_id, currency, -amount_minor)
    return NewEntry(key, at, "Fee given back", currency, back.postings)


def paid_out(
    key: str, at: datetime, code: str, currency: str, amount_minor: int, memo: str
) -> NewEntry:
    """A manager or introducer was paid from the bank."""
    return NewEntry(
        key,
        at,
        memo,
        currency,
        (
            Posting(code, Type.LIABILITY, amount_minor),
            Posting(BANK, Type.ASSET, -amount_minor),
        ),
    )


def converted(
    key: str,
    at: datetime,
    code: str,
    sold: tuple[str, int],
    bought: tuple[str, int],
    rate: Decimal,
) -> NewEntry:
    """A liability in one currency becomes one in another: (currency, minor units) each.

    Balanced in each currency through the exchange account; the rate stays with the entry.
    """
    (source, amount), (target, value) = sold, bought
    return NewEntry(
        key,
        at,
        f"Converted {source} to {target}",
        source,
        (
            Posting(code, Type.LIABILITY, amount),
            Posting(EXCHANGE, Type.ASSET, -amount),
            Posting(EXCHANGE, Type.ASSET, value, target),
            Posting(code, Type.LIABILITY, -value, target),
        ),
        rate,
    )


def _type(code: str) -> str:
    return Type.INCOME if code.startswith("income:") else Type.LIABILITY


def post(entries: Iterable[NewEntry]) -> None:
    """Write entries with their lines. Inside the caller's transaction.

    A wrong balance raises IntegrityError at the commit, a key posted before at once.
    """
    assert transaction.get_connection().in_atomic_block, "post() outside a transaction"
    lines = [(entry, entry.lines()) for entry in entries]
    lines = [(entry, posted) for entry, posted in lines if posted]
    if not lines:
        return
    accounts = _accounts({(c, cur): t for _, posted in lines for c, t, cur, _ in posted})
    ids = next_ids(Entry, len(lines))
    copy_rows(
        Entry,
        ("id", "public_id", "key", "at", "memo", "rate", "transaction_no"),
        (
            (number, uuid.uuid4(), entry.key, entry.at, entry.memo, entry.rate, 0)
            for number, (entry, _) in zip(ids, lines, strict=True)
        ),
    )
    copy_rows(
        Line,
        ("entry_id", "account_id", "currency", "amount_minor"),
        (
            (number, accounts[code, currency], currency, amount)
            for number, (_, posted) in zip(ids, lines, strict=True)
            for code, _, currency, amount in posted
        ),
    )


def _accounts(wanted: dict[tuple[str, str], str]) -> dict[tuple[str, str], int]:
    """Ids of the ledger accounts named (code, currency), made where missing."""
    found = _known(wanted)
    missing = sorted(set(wanted) - set(found))
    if missing:
        LedgerAccount.objects.bulk_create(
            (LedgerAccount(code=c, currency=cur, type=wanted[c, cur]) for c, cur in missing),
            ignore_conflicts=True,
        )
        found |= _known(missing)
    return found


def _known(wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    codes = sorted({code for code, _ in wanted})
    rows = LedgerAccount.objects.filter(code__in=codes).values_list("code", "currency", "id")
    return {(code, currency): number for code, currency, number in rows}
