"""What a socket reads from the broker's record. Synchronous: run through `door.in_schema`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.accounts.access import accounts_of, masters_of
from apps.accounts.models import Link, Role, Symbol, TradingAccount, User
from apps.allocation.models import Ticket
from apps.engine.models import ProjectionCursor
from apps.live.door import FORBIDDEN, NOT_LOGGED_IN, UNKNOWN, RefusedError, user_of_session


@dataclass(frozen=True, slots=True)
class Account:
    """How an account is named outside: its public id; money needs its currency."""

    account_id: int
    public_id: str
    currency: str


@dataclass(frozen=True, slots=True)
class OpenTicket:
    """An open ticket of a watched account. Volume in steps, price at the symbol's digits."""

    ticket_id: int
    account_id: int
    symbol: str
    side: int
    open_steps: int
    volume_step: Decimal
    open_price: Decimal


@dataclass(frozen=True, slots=True)
class Record:
    """One look at the record: tickets as of `projected_seq` or later."""

    projected_seq: int
    accounts: dict[int, Account]
    tickets: dict[int, list[OpenTicket]]


def desk_user(session_key: str, user_id: int, book_id: UUID) -> int:
    """The id of the server of a book that this session may watch. Raises RefusedError."""
    user = _user(session_key, user_id, Role.MANAGER, Role.ADMIN)
    master = masters_of(user).filter(public_id=book_id).first()
    if master is None:
        raise RefusedError(UNKNOWN, "book_unknown")
    return master.account.server_id


def portfolio_user(session_key: str, user_id: int) -> dict[UUID, list[Account]]:
    """The session's own accounts by the book they are linked to. Raises RefusedError."""
    user = _user(session_key, user_id, Role.INVESTOR)
    links = (
        Link.objects.filter(account__in=accounts_of(user))
        .exclude(status__in=[Link.Status.DETACHED, Link.Status.INVITED])
        .select_related("master", "account")
        .order_by("id")
    )
    books: dict[UUID, list[Account]] = {}
    for link in links:
        books.setdefault(link.master.public_id, []).append(_account(link.account))
    return books


def read(book_id: UUID, account_ids: Iterable[int], ticket_ids_of: Iterable[int]) -> Record:
    """Names of `account_ids` and the open tickets of `ticket_ids_of` (account ids too).

    The cursor is read first: what it counts is in the rows read after it.
    """
    seq = projected_seq(book_id)
    home, ids = server_of(book_id), list(ticket_ids_of)
    elsewhere = dict(
        TradingAccount.objects.filter(id__in=ids)
        .exclude(server_id=home)
        .values_list("id", "server_id")
    )
    tickets: dict[int, list[OpenTicket]] = {}
    rows = Ticket.objects.filter(account_id__in=ids, open_steps__gt=0)
    for row in rows.order_by("id"):
        tickets.setdefault(row.account_id, []).append(
            OpenTicket(
                ticket_id=row.id,
                account_id=row.account_id,
                symbol=_symbol_of(row, elsewhere.get(row.account_id)),
                side=row.side,
                open_steps=row.open_steps,
                volume_step=row.volume_step,
                open_price=row.open_price,
            )
        )
    wanted = TradingAccount.objects.filter(id__in=list(account_ids))
    return Record(seq, {row.id: _account(row) for row in wanted}, tickets)


def _symbol_of(row: Ticket, server_id: int | None) -> str:
    """Of another server than the book's: qualified, so that it is never marked by the wrong quote.
    Such a ticket has no live figure of its own; its account's equity has it."""
    return row.symbol if server_id is None else f"{row.symbol}@{server_id}"


def projected_seq(book_id: UUID) -> int:
    """The newest journal record that the rows contain; 0 before the first."""
    cursor = ProjectionCursor.objects.filter(book_id=book_id).first()
    return cursor.seq if cursor is not None else 0


def symbols_of(server_ids: Iterable[int]) -> list[Symbol]:
    """The symbols of these servers, for marking tickets."""
    return list(Symbol.objects.filter(server_id__in=list(server_ids)).order_by("name"))


def server_of(book_id: UUID) -> int:
    """The server a book trades on."""
    return TradingAccount.objects.get(master__public_id=book_id).server_id


def _account(row: TradingAccount) -> Account:
    return Account(row.id, str(row.public_id), row.currency)


def _user(session_key: str, user_id: int, *roles: str) -> User:
    user = user_of_session(session_key)
    if user is None or user.pk != user_id:
        raise RefusedError(NOT_LOGGED_IN, "not_logged_in")
    if not user.has_role(*roles):
        raise RefusedError(FORBIDDEN, "role_missing")
    return user
