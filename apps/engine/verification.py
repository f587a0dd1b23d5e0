"""`verify`: a broker's journals, projections and trading servers against each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, LiteralString
from uuid import UUID

import psycopg
from psycopg.rows import TupleRow

from apps.core.book.records import Record
from apps.core.book.state import DETACHED, HOME, BookState
from apps.core.book.verify import Verifier
from apps.core.errors import CorruptionError, ProrataError, UnavailableError
from apps.engine import discovery, sql
from apps.engine.discovery import ServerRow, currency_digits
from apps.engine.expected import Expected
from apps.engine.projector import connect
from apps.servers.registry import open_server
from apps.servers.types import AccountState

PATIENCE_S = 15.0
"""How long to wait for a book to come to rest before its server is compared."""


@dataclass
class Report:
    """What was verified of a book. `server`: "equal", or why it was not compared."""

    broker: str
    book_id: UUID
    records: int = 0
    projected: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    accounts: int = 0
    server: str = "not compared"
    seconds: float = 0.0


class BookVerification:
    """One book, on a connection and a snapshot of its own."""

    def __init__(self, connection: psycopg.Connection[TupleRow], broker: str, book: UUID) -> None:
        self._connection = connection
        self._broker = broker
        self._book = book
        self.verifier = Verifier()
        self.report = Report(broker, book)

    def run(self) -> BookState | None:
        """Journal, then projection. Raises CorruptionError at the first thing that is wrong."""
        began_s = time.perf_counter()
        expected = Expected()
        with self._connection.transaction():
            self._connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            row = self._run(sql.READ_CURSOR, book=self._book).fetchone()
            projected = int(row[0]) if row else 0
            for record in read_records(self._connection, self._broker, self._book):
                body = self.verifier.feed(record)
                if record.seq <= projected:
                    for event in body.events:
                        expected.feed(event)
            if projected > self.verifier.seq:
                raise CorruptionError(
                    "journal_short",
                    f"Rows were projected up to record {projected}, the journal ends at"
                    f" {self.verifier.seq}.",
                )
            expected.compare(self._run, self._book)
        report = self.report
        report.records, report.projected = self.verifier.seq, projected
        report.counts = dict(sorted(self.verifier.counts.items()))
        report.accounts = len(expected.balances)
        report.seconds = time.perf_counter() - began_s
        return self.verifier.state

    def _run(self, template: LiteralString, **parameters: Any) -> Any:
        return self._connection.execute(sql.statement(self._broker, template), parameters)


def read_records(
    connection: psycopg.Connection[TupleRow], broker: str, book_id: UUID
) -> Iterator[Record]:
    """A book's journal in order, page by page."""
    after = 0
    while True:
        rows = connection.execute(
            sql.statement(broker, sql.TAIL), {"book": book_id, "after": after, "limit": 200}
        ).fetchall()
        for seq, epoch, at_ms, command_id, body, digest in rows:
            yield Record(
                seq=seq,
                epoch=epoch,
                at_ms=at_ms,
                command_id=command_id,
                body=bytes(body),
                digest=bytes(digest),
            )
        if not rows:
            return
        after = rows[-1][0]


def books_of(broker: str) -> list[UUID]:
    """Every book that has a journal."""
    with connect() as connection:
        rows = connection.execute(sql.statement(broker, sql.HEADS)).fetchall()
    return sorted(row[0] for row in rows)


def verify_book(broker: str, book_id: UUID, *, with_server: bool = True) -> Report:
    """Verify one book. Raises CorruptionError (its message names what is wrong).

    The server is compared once the book is at rest: nothing on its way and no new record
    meanwhile; a book that never rests is reported as not compared.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    with connect() as connection:
        while True:
            verification = BookVerification(connection, broker, book_id)
            state = verification.run()
            report = verification.report
            if not with_server or state is None:
                return report
            is_at_rest = not state.intents and not state.closes
            if is_at_rest:
                problem = _compare_server(broker, book_id, state, report)
                if problem is None or _head(connection, broker, book_id) == report.records:
                    if problem is not None:
                        raise problem
                    return report
            if time.monotonic() > deadline_s:
                report.server = "not compared: the book did not come to rest"
                return report
            time.sleep(0.5)


def _head(connection: psycopg.Connection[TupleRow], broker: str, book_id: UUID) -> int:
    rows = connection.execute(sql.statement(broker, sql.HEADS)).fetchall()
    heads: dict[UUID, int] = {row[0]: row[1] for row in rows}
    return heads.get(book_id, 0)


def _compare_server(
    broker: str, book_id: UUID, state: BookState, report: Report
) -> CorruptionError | None:
    """None when every linked account has the same balance on its server, and the master holds
    nothing (in mirror mode what it trades itself is its own)."""
    found = discovery.discover(broker)
    row = next((book for book in found.books if book.book_id == book_id), None)
    server = next((s for s in found.servers if row and s.server_id == row.server_id), None)
    if row is None or server is None:
        report.server = "not compared: the book is not active"
        return None
    try:
        accounts, unallocated = asyncio.run(_read_server(server, row.master_login))
        elsewhere = _read_others(found.servers, state)
    except ProrataError as error:
        report.server = f"not compared: {error.message}"
        return None
    members = state.members
    for at in range(members.size):
        if members.status[at] == DETACHED:
            continue
        login, ours = int(members.logins[at]), int(members.balance_minor[at])
        server_id = state.mirror.server_of.get(int(members.account_ids[at]), HOME)
        theirs = (elsewhere[server_id] if server_id else accounts).get(login)
        digits = currency_digits(state.currencies[int(members.currency[at])])
        if theirs is None or int(theirs.balance.scaleb(digits)) != ours:
            return CorruptionError(
                "server_differs",
                f"Account {int(members.account_ids[at])} (login {login}) has"
                f" {theirs.balance if theirs else 'no balance'} on the server,"
                f" {Decimal(ours).scaleb(-digits)} in the book.",
            )
    if unallocated and not state.mirror.mirrors_home:
        return CorruptionError(
            "server_differs", f"The master holds {unallocated} steps that belong to nobody."
        )
    report.server = "equal"
    return None


def _read_others(servers: list[ServerRow], state: BookState) -> dict[int, dict[int, AccountState]]:
    """Accounts of the other servers of this book, by server and login. Raises UnavailableError."""
    rows = {row.server_id: row for row in servers}
    found = {}
    for server_id in sorted(set(state.mirror.server_of.values())):
        if server_id not in rows:
            raise UnavailableError("server_away", f"Server {server_id} cannot be connected to.")
        found[server_id] = asyncio.run(_read_server(rows[server_id], None))[0]
    return found


async def _read_server(
    row: ServerRow, master_login: int | None
) -> tuple[dict[int, AccountState], int]:
    server = open_server(row.kind, row.config)
    await server.connect()
    try:
        accounts: dict[int, AccountState] = {}
        after = 0
        while True:
            page = await server.accounts(after=after)
            accounts.update({state.login: state for state in page.items})
            if page.next is None:
                break
            after = int(page.next)
        if master_login is None:
            return accounts, 0
        positions = await server.positions(master_login)
        return accounts, sum(p.steps for p in positions if p.unallocated)
    finally:
        await server.close()


__all__ = ["Report", "books_of", "read_records", "verify_book"]
