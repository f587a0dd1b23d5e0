"""What the overseer of one book reads: blocks, allocations with their tickets, sub-accounts, bars.

Callers have already established (apps.accounts.access) that the book is the reader's to see.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models import Count, F, OuterRef, QuerySet, Subquery, Sum

from apps.accounts.models import Link, Master, TradingAccount
from apps.allocation.models import AccountState, Allocation, Block, Ticket
from apps.core.errors import NotFoundError

WORKING = (Block.State.PENDING, Block.State.SENT, Block.State.OPEN)
BAR_MINUTES = {"M1": 1, "M5": 5, "M15": 15, "H1": 60}
MAX_BARS = 1000


def blocks_of(book_id: UUID, states: Iterable[str] = ()) -> QuerySet[Block]:
    """The book's blocks, newest first; `states` narrows them."""
    blocks = Block.objects.filter(book_id=book_id).order_by("-placed_at", "-seq")
    wanted = list(states)
    return blocks.filter(state__in=wanted) if wanted else blocks


def block_of(book_id: UUID, block_id: UUID) -> Block:
    """One block of this book. Raises NotFoundError("block_unknown")."""
    block = Block.objects.filter(book_id=book_id, id=block_id).first()
    if block is None:
        raise NotFoundError("block_unknown", "There is no such block.", block_id=str(block_id))
    return block


@dataclass(frozen=True, slots=True)
class Share:
    """One account's allocation in a block and the ticket it opened (None: nothing was opened)."""

    login: int
    currency: str
    quota_steps: Decimal
    steps: int
    reason: str
    ticket: Ticket | None
    leg_status: str = ""
    leg_label: str = ""
    leg_code: str = ""
    slippage_points: int | None = None


def shares_of(block: Block) -> QuerySet[Allocation]:
    """The block's allocations, largest first."""
    return Allocation.objects.filter(block_id=block.id).order_by("-steps", "account_id")


def with_tickets(block: Block, allocations: Iterable[Allocation]) -> list[Share]:
    """A page of `shares_of` with logins and tickets: two queries, whatever the page's length."""
    rows = list(allocations)
    ids = [row.account_id for row in rows]
    accounts = TradingAccount.objects.in_bulk(ids)
    tickets = {
        ticket.account_id: ticket
        for ticket in Ticket.objects.filter(block_id=block.id, account_id__in=ids)
    }
    return [
        Share(
            login=accounts[row.account_id].login,
            currency=accounts[row.account_id].currency,
            quota_steps=row.requested_steps,
            steps=row.steps,
            reason=row.reason,
            ticket=tickets.get(row.account_id),
            leg_status=row.leg_status,
            leg_label=row.get_leg_status_display(),
            leg_code=row.leg_code,
            slippage_points=row.slippage_points,
        )
        for row in rows
        if row.account_id in accounts
    ]


def reasons_of(blocks: Iterable[Block]) -> dict[UUID, list[tuple[str, int]]]:
    """Per block, how many accounts were clipped or skipped, by reason code."""
    return _counted_by_code(Allocation.objects.exclude(reason=""), blocks, "reason")


def failed_legs_of(blocks: Iterable[Block]) -> dict[UUID, list[tuple[str, int]]]:
    """Per block, how many accounts' own orders failed to open, by the code of why."""
    return _counted_by_code(
        Allocation.objects.filter(leg_status=Allocation.Leg.FAILED), blocks, "leg_code"
    )


def _counted_by_code(
    rows: QuerySet[Allocation], blocks: Iterable[Block], column: str
) -> dict[UUID, list[tuple[str, int]]]:
    counted = (
        rows.filter(block_id__in=[block.id for block in blocks])
        .values_list("block_id", column)
        .annotate(accounts=Count("id"))
        .order_by("block_id", "-accounts", column)
    )
    found: dict[UUID, list[tuple[str, int]]] = {}
    for block_id, code, accounts in counted:
        found.setdefault(block_id, []).append((code, accounts))
    return found


def realised_of(blocks: Iterable[Block]) -> dict[UUID, list[tuple[str, int]]]:
    """Per block, its tickets' realised P&L by account currency, minor units."""
    currency = TradingAccount.objects.filter(id=OuterRef("account_id")).values("currency")[:1]
    totals = (
        Ticket.objects.filter(block_id__in=[block.id for block in blocks])
        .annotate(currency=Subquery(currency))
        .values_list("block_id", "currency")
        .annotate(total=Sum("realised_minor"))
        .order_by("block_id", "currency")
    )
    found: dict[UUID, list[tuple[str, int]]] = {}
    for block_id, name, total in totals:
        found.setdefault(block_id, []).append((name, total))
    return found


def members_of(master: Master) -> QuerySet[Link]:
    """The book's links that still take part, with their accounts, by login."""
    return (
        Link.objects.filter(master=master)
        .exclude(status__in=[Link.Status.DETACHED, Link.Status.INVITED])
        .select_related("account", "account__owner")
        .order_by(F("account__login").asc())
    )


def states_of(account_ids: Iterable[int]) -> dict[int, AccountState]:
    """The projected state of each account that has one, by account id."""
    return AccountState.objects.in_bulk(list(account_ids))


@dataclass(frozen=True, slots=True)
class Candle:
    """Bid prices over one interval that starts at `at`."""

    at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


_CANDLES = """
    SELECT date_bin(make_interval(mins => %(minutes)s), at, timestamptz '2000-01-01Z') AS slot,
           (array_agg(open ORDER BY at))[1], max(high), min(low),
           (array_agg(close ORDER BY at DESC))[1], sum(ticks)
    FROM (
        SELECT at, open, high, low, close, ticks FROM allocation_bar
        WHERE server_id = %(server)s AND symbol = %(symbol)s ORDER BY at DESC LIMIT %(rows)s
    ) AS newest
    GROUP BY slot ORDER BY slot DESC LIMIT %(count)s
"""


def candles_of(server_id: int, symbol: str, interval: str, count: int = 500) -> list[Candle]:
    """The newest candles, oldest first; `interval` is a key of BAR_MINUTES, count ≤ MAX_BARS.

    The oldest one may lack its first minutes.
    """
    minutes = BAR_MINUTES[interval]
    count = min(count, MAX_BARS)
    with connection.cursor() as cursor:
        cursor.execute(
            _CANDLES,
            {
                "minutes": minutes,
                "server": server_id,
                "symbol": symbol,
                "rows": count * minutes,
                "count": count,
            },
        )
        return [Candle(*row) for row in reversed(cursor.fetchall())]
