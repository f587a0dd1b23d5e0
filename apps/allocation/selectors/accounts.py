"""What the owner of trading accounts reads: states, tickets, flows, the equity curve.

Callers have already established (apps.accounts.access) that the accounts are the reader's own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import connection
from django.db.models import QuerySet, Sum

from apps.accounts.models import Symbol
from apps.allocation.models import AccountState, CashFlow, Ticket

MAX_POINTS = 600

# One point per slot of time: the last one in it, so that the curve ends where the account stands.
_CURVE = """
SELECT DISTINCT ON (slot) floor(extract(epoch FROM at) / %(slot_s)s) AS slot,
       extract(epoch FROM at)::bigint, balance_minor, equity_minor
FROM allocation_equitypoint
WHERE account_id = %(account_id)s AND at >= %(since)s AND at <= %(until)s
ORDER BY slot, at DESC
"""

_FIRST = "SELECT min(at) FROM allocation_equitypoint WHERE account_id = %s AND at >= %s"
_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Curve:
    """Columns: UTC seconds, balance and equity in minor units; in order of time."""

    at_s: list[int]
    balance_minor: list[int]
    equity_minor: list[int]


def states_of(account_ids: Iterable[int]) -> dict[int, AccountState]:
    """The last recorded state by account; an account that never joined a book has none."""
    rows = AccountState.objects.filter(account_id__in=list(account_ids))
    return {row.account_id: row for row in rows}


def open_tickets(account_ids: Iterable[int]) -> QuerySet[Ticket]:
    """Tickets with volume still open, newest first."""
    rows = Ticket.objects.filter(account_id__in=list(account_ids), open_steps__gt=0)
    return rows.order_by("-opened_at", "-id")


def closed_tickets(
    account_ids: Iterable[int],
    *,
    symbol: str = "",
    since: date | None = None,
    until: date | None = None,
) -> QuerySet[Ticket]:
    """Tickets closed in full, the last one first; days are UTC and both inclusive."""
    rows = Ticket.objects.filter(
        account_id__in=list(account_ids), open_steps=0, closed_at__isnull=False
    )
    if symbol:
        rows = rows.filter(symbol=symbol)
    if since:
        rows = rows.filter(closed_at__date__gte=since)
    if until:
        rows = rows.filter(closed_at__date__lte=until)
    return rows.order_by("-closed_at", "-id")


def realised_by_account(tickets: QuerySet[Ticket]) -> dict[int, int]:
    """Σ realised P&L of the tickets by account, minor units."""
    rows = tickets.order_by().values("account_id").annotate(total=Sum("realised_minor"))
    return {row["account_id"]: row["total"] for row in rows}


def symbols_traded(account_ids: Iterable[int]) -> list[str]:
    rows = Ticket.objects.filter(account_id__in=list(account_ids)).order_by("symbol")
    return list(rows.values_list("symbol", flat=True).distinct())


def digits_of(server_ids: Iterable[int]) -> dict[tuple[int, str], int]:
    """Price digits by (server, symbol)."""
    rows = Symbol.objects.filter(server_id__in=set(server_ids))
    return {(row.server_id, row.name): row.digits for row in rows}


def flows_of(account_id: int, since: datetime | None, until: datetime) -> QuerySet[CashFlow]:
    """Balance operations in the stretch of time, in order of time."""
    rows = CashFlow.objects.filter(account_id=account_id, at__lte=until)
    if since:
        rows = rows.filter(at__gte=since)
    return rows.order_by("at", "seq")


def equity_curve(account_id: int, since: datetime | None, until: datetime) -> Curve:
    """The persisted curve since then (all of it when None), thinned to about MAX_POINTS."""
    with connection.cursor() as cursor:
        # Slots are cut from what there is, so that a young account shows all its points.
        cursor.execute(_FIRST, [account_id, since or _EVER])
        since = cursor.fetchone()[0] or until
        span: timedelta = until - since
        cursor.execute(
            _CURVE,
            {
                "account_id": account_id,
                "since": since,
                "until": until,
                "slot_s": max(1, int(span.total_seconds()) // MAX_POINTS),
            },
        )
        rows = cursor.fetchall()
    return Curve([row[1] for row in rows], [row[2] for row in rows], [row[3] for row in rows])
