"""Where books and trading servers differ, kept with the time each difference was first seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from apps.engine import sql
from apps.engine.comparing import BALANCE, TICKET, Difference
from apps.engine.projector import connect

EVERY_S = 30.0
"""A book is compared this often, or less often when comparing takes long."""
STALE_S = 180.0
"""A comparison older than this says nothing about now."""

SEEN: Final[LiteralString] = """
INSERT INTO {difference} AS d
    (book_id, kind, account_id, ticket_id, expected, found, first_seen_at, last_seen_at)
SELECT %(book)s, r.*, %(at)s, %(at)s FROM unnest(%(kinds)s::text[], %(accounts)s::bigint[],
    %(tickets)s::bigint[], %(expected)s::text[], %(found)s::text[]) AS r
ON CONFLICT (book_id, kind, account_id, ticket_id) DO UPDATE
SET expected = excluded.expected, found = excluded.found, last_seen_at = excluded.last_seen_at
"""

GONE: Final[LiteralString] = """
DELETE FROM {difference} WHERE book_id = %(book)s AND kind = %(kind)s
    AND account_id = ANY(%(compared)s::bigint[]) AND last_seen_at < %(at)s
"""

COMPARED: Final[LiteralString] = """
INSERT INTO {reconciliation} (book_id, at, accounts, tickets_of)
VALUES (%(book)s, %(at)s, %(accounts)s, %(tickets_of)s)
ON CONFLICT (book_id) DO UPDATE SET at = excluded.at, accounts = excluded.accounts,
    tickets_of = excluded.tickets_of
"""

RUNS: Final[LiteralString] = """
SELECT m.public_id, m.name, r.at, extract(epoch FROM clock_timestamp() - r.at)::float8,
    r.accounts, r.tickets_of
FROM {master} m LEFT JOIN {reconciliation} r ON r.book_id = m.public_id
WHERE m.is_active ORDER BY m.name, m.id
"""

ROWS: Final[LiteralString] = """
SELECT m.name, coalesce(a.login, b.login), d.kind, d.ticket_id, d.expected, d.found,
    d.first_seen_at, extract(epoch FROM clock_timestamp() - d.first_seen_at)::float8
FROM {difference} d JOIN {master} m ON m.public_id = d.book_id
    JOIN {account} b ON b.id = m.account_id LEFT JOIN {account} a ON a.id = d.account_id
WHERE m.is_active ORDER BY d.first_seen_at, d.id LIMIT %(limit)s
"""
COUNT: Final[LiteralString] = """
SELECT count(*) FROM {difference} d JOIN {master} m ON m.public_id = d.book_id WHERE m.is_active
"""


async def keep(
    connection: AsyncConnection[TupleRow],
    broker: str,
    book_id: UUID,
    at: datetime,
    found: Sequence[Difference],
    compared: Mapping[str, Collection[int]],
) -> None:
    """One comparison's outcome, in one transaction. `compared`: kind → accounts looked at; what
    they no longer differ in is deleted."""
    async with connection.transaction():
        await connection.execute(
            sql.statement(broker, SEEN),
            {
                "book": book_id,
                "at": at,
                "kinds": [one.kind for one in found],
                "accounts": [one.account_id for one in found],
                "tickets": [one.ticket_id for one in found],
                "expected": [one.expected for one in found],
                "found": [one.found for one in found],
            },
        )
        for kind, accounts in compared.items():
            gone = {"book": book_id, "kind": kind, "compared": list(accounts), "at": at}
            await connection.execute(sql.statement(broker, GONE), gone)
        done = {
            "book": book_id,
            "at": at,
            "accounts": len(compared[BALANCE]),
            "tickets_of": len(compared[TICKET]),
        }
        await connection.execute(sql.statement(broker, COMPARED), done)


@dataclass(frozen=True)
class Run:
    """The last comparison of a book; `at` None: never."""

    book_id: UUID
    master: str
    at: datetime | None
    age_s: float | None
    accounts: int | None
    tickets_of: int | None

    @property
    def is_stale(self) -> bool:
        return self.age_s is None or self.age_s > STALE_S


@dataclass(frozen=True)
class Row:
    """A difference as shown. `login`: the account's, or the master's."""

    master: str
    login: int
    kind: str
    ticket_id: int
    expected: str
    found: str
    first_seen_at: datetime
    age_s: float

    @property
    def whole_age_s(self) -> int:
        return int(self.age_s)


@dataclass(frozen=True)
class Reconciled:
    """All active books of a broker. `rows`: the oldest of `count` differences."""

    runs: list[Run]
    rows: list[Row]
    count: int

    @property
    def state(self) -> str:
        """differences; stale: a book was not compared lately; else none."""
        if self.count:
            return "differences"
        return "stale" if any(run.is_stale for run in self.runs) else "none"


def reconciled(broker: str, limit: int = 100) -> Reconciled:
    """What is known now."""
    with connect() as connection:
        runs = connection.execute(sql.statement(broker, RUNS)).fetchall()
        rows = connection.execute(sql.statement(broker, ROWS), {"limit": limit}).fetchall()
        count = connection.execute(sql.statement(broker, COUNT)).fetchone()
    return Reconciled([Run(*r) for r in runs], [Row(*r) for r in rows], count[0] if count else 0)
