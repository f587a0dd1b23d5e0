"""What a key may read: its owner's books and what is in them."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import Count, Q, QuerySet, Sum

from apps.accounts.access import masters_of
from apps.accounts.models import Link, Master, Symbol, TradingAccount, User
from apps.allocation.models import Block
from apps.api.models import ApiRequest
from apps.core.errors import NotFoundError, UnavailableError


def books_of(user: User) -> QuerySet[Master]:
    """The owner's books with `sub_accounts`, the number of accounts that follow."""
    following = Q(links__status__in=[Link.Status.ACTIVE, Link.Status.CLOSE_ONLY])
    return masters_of(user).annotate(sub_accounts=Count("links", filter=following)).order_by("pk")


def book_of(user: User, book_id: UUID) -> Master:
    """Raises NotFoundError("book_unknown")."""
    master = masters_of(user).filter(public_id=book_id).first()
    if master is None:
        raise NotFoundError("book_unknown", "There is no such book.", book_id=str(book_id))
    return master


class Rounding(NamedTuple):
    """What the house account gained in a symbol, in its profit currency."""

    symbol: str
    currency: str
    amount: Decimal


def roundings_of(master: Master) -> list[Rounding]:
    """Σ (booked − exact price) · side · lots · contract over all orders of a book, by symbol."""
    rows = (
        Block.objects.filter(book_id=master.public_id)
        .exclude(house_points_steps=0)
        .values("symbol", "digits", "volume_step")
        .annotate(total=Sum("house_points_steps"))
        .order_by("symbol")
    )
    symbols = {s.name: s for s in Symbol.objects.filter(server=master.account.server_id)}
    return [
        Rounding(
            row["symbol"],
            symbols[row["symbol"]].profit_currency,
            (row["total"] * row["volume_step"] * symbols[row["symbol"]].contract_size).scaleb(
                -row["digits"]
            ),
        )
        for row in rows
    ]


def block_of(user: User, block_id: UUID) -> Block:
    """Raises NotFoundError("block_unknown"); UnavailableError("block_not_projected") for a block
    that was placed through the API a moment ago and has no rows yet."""
    mine = masters_of(user).values("public_id")
    block = Block.objects.filter(id=block_id, book_id__in=mine).first()
    if block is not None:
        return block
    placed = ApiRequest.objects.filter(command_id=block_id, book_id__in=mine, status=201).first()
    if placed is not None:
        raise UnavailableError(
            "block_not_projected", "The block is committed; its rows follow in a moment."
        )
    raise NotFoundError("block_unknown", "There is no such block.", block_id=str(block_id))


def book_id_of_block(user: User, block_id: UUID) -> UUID:
    """The book of a block, also of one whose rows are not there yet. NotFoundError otherwise."""
    mine = masters_of(user).values("public_id")
    rows = Block.objects.filter(id=block_id, book_id__in=mine).values_list("book_id", flat=True)
    placed = ApiRequest.objects.filter(command_id=block_id, status=201, book_id__in=mine)
    found = rows.first() or placed.values_list("book_id", flat=True).first()
    if found is None:
        raise NotFoundError("block_unknown", "There is no such block.", block_id=str(block_id))
    return found


def accounts_by_id(ids: list[int]) -> dict[int, TradingAccount]:
    return TradingAccount.objects.in_bulk(ids)


def account_by_public_id(public_id: UUID | str) -> TradingAccount:
    """Raises NotFoundError("account_unknown"); whether it is linked, the book says."""
    try:
        found = TradingAccount.objects.filter(public_id=public_id).first()
    except ValidationError:
        found = None
    if found is None:
        raise NotFoundError(
            "account_unknown", "There is no such account.", account_id=str(public_id)[:60]
        )
    return found
