"""The book itself, its money, its bookings, its refusals."""

from __future__ import annotations

from uuid import UUID

from apps.core.book.commands import BalanceKind, SymbolInfo
from apps.core.book.events.base import BookEvent


class BookOpened(BookEvent, frozen=True, kw_only=True, tag="book_opened"):
    book_id: UUID
    book_no: int
    master_login: int
    currency: str
    currency_digits: int


class SymbolDefined(BookEvent, frozen=True, kw_only=True, tag="symbol_defined"):
    symbol: SymbolInfo


class BookingSettled(BookEvent, frozen=True, kw_only=True, tag="booking_settled"):
    """The server booked the shares (or refused: an alarm, the book is right by its journal)."""

    booking_id: UUID
    done: bool
    code: str
    raw: str
    differences: dict[str, int]


class BalanceRequested(BookEvent, frozen=True, kw_only=True, tag="balance_requested"):
    """`amount_minor` is signed: what the balance is to change by."""

    operation_id: UUID
    account_id: int
    kind: BalanceKind
    amount_minor: int
    comment: str


class BalanceSettled(BookEvent, frozen=True, kw_only=True, tag="balance_settled"):
    """equity_minor: the account's just before, at the last quotes; None: not known."""

    operation_id: UUID
    account_id: int
    kind: BalanceKind
    amount_minor: int
    comment: str
    done: bool
    code: str
    raw: str
    at_ms: int
    equity_minor: int | None = None


class CommandRefused(BookEvent, frozen=True, kw_only=True, tag="command_refused"):
    """A well-formed command that the book, the market or the risk refused: changes nothing.

    Recorded so that a repeat gets the same answer. `kind`: class in apps.core.errors.
    """

    kind: str
    code: str
    message: str
    details: dict[str, str]
