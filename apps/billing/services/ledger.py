"""Posting to the ledger. The database checks the balance when the transaction commits."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import orjson
from django.db import connection, transaction

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


def fees_charged(
    key: str, at: datetime, period: str, currency: str, sums: Mapping[str, int]
) -> NewEntry:
    """What investors owe and the broker grants (debits > 0), what each party is owed (< 0)."""
    postings = tuple(Posting(code, type_of(code), amount) for code, amount in sums.items())
    return NewEntry(key, at, f"Fees of {period}", currency, postings)


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


def type_of(code: str) -> str:
    """The type that a code's first word tells."""
    return {
        "receivable": Type.ASSET,
        "cash": Type.ASSET,
        "exchange": Type.ASSET,
        "income": Type.INCOME,
        "expense": Type.EXPENSE,
    }.get(code.partition(":")[0], Type.LIABILITY)


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
        _make(missing, wanted)
        found |= _known(missing)
    return found


def _make(missing: Sequence[tuple[str, str]], wanted: Mapping[tuple[str, str], str]) -> None:
    """Open accounts; one that somebody else opened meanwhile is as good. JSON is one parameter."""
    rows = [{"code": c, "currency": cur, "type": wanted[c, cur]} for c, cur in missing]
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO billing_ledgeraccount (code, currency, type, created_at)"
            " SELECT code, currency, type, now() FROM jsonb_to_recordset(%s::jsonb)"
            " AS r(code text, currency text, type text) ON CONFLICT DO NOTHING",
            [orjson.dumps(rows).decode()],
        )


def _known(wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
    codes = orjson.dumps(sorted({code for code, _ in wanted})).decode()
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT code, currency, id FROM billing_ledgeraccount"
            " WHERE code IN (SELECT jsonb_array_elements_text(%s::jsonb))",
            [codes],
        )
        return {(code, currency): number for code, currency, number in cursor.fetchall()}
