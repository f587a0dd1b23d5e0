"""The journal of a broker's books: append under the lease's epoch, read, snapshots. Async."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.errors import UniqueViolation
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from apps.core.book.codec import decode, encode
from apps.core.book.records import GENESIS, Record, advance, check_digest, read_body
from apps.core.book.state import BookState
from apps.core.errors import CorruptionError
from apps.engine import sql

STATE_VERSION = "3"
"""Of a snapshot. Another version is not read: the book is replayed from its first record."""
_PAGE = 500

Pool = AsyncConnectionPool[AsyncConnection[TupleRow]]


class LeaseLostError(Exception):
    """Another engine owns the book now: nothing was written, and nothing will be."""


class RepeatedCommandError(Exception):
    """A record with this command id exists already; nothing was written."""


class Journal:
    """One broker's journal over a pool of autocommit connections."""

    def __init__(self, pool: Pool, broker: str) -> None:
        self._pool = pool
        self.broker = broker

    async def append(self, book_id: UUID, epoch: int, records: Sequence[Record]) -> None:
        """Commit `records`: durable when this returns.

        Raises LeaseLostError when the lease has another epoch (or a seq is taken),
        RepeatedCommandError when a command id is there already. In both cases nothing was written.
        """
        text, parameters = _appending(records)
        try:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    sql.statement(self.broker, text),
                    {"book": book_id, "epoch": epoch, **parameters},
                    prepare=True,
                )
        except UniqueViolation as error:
            # A cloned schema's constraints have other names: look, rather than compare names.
            if await self.by_command(book_id, [record.command_id for record in records]):
                raise RepeatedCommandError from error
            raise LeaseLostError(f"seq taken: {error.diag.message_detail}") from error
        if cursor.rowcount != len(records):
            raise LeaseLostError(f"epoch {epoch} of book {book_id} is over")

    async def by_command(self, book_id: UUID, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        """The records of these commands, as far as there are any."""
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                sql.statement(self.broker, sql.BY_COMMAND),
                {"book": book_id, "commands": list(command_ids)},
                prepare=True,
            )
            return {row[3]: _record(row) for row in await cursor.fetchall()}

    async def tail(
        self, book_id: UUID, after: int, limit: int = _PAGE
    ) -> AsyncIterator[list[Record]]:
        """Records after `after` in pages, oldest first."""
        while True:
            async with self._pool.connection() as connection:
                cursor = await connection.execute(
                    sql.statement(self.broker, sql.TAIL),
                    {"book": book_id, "after": after, "limit": limit},
                )
                page = [_record(row) for row in await cursor.fetchall()]
            if not page:
                return
            yield page
            after = page[-1].seq

    async def load(self, book_id: UUID) -> tuple[BookState | None, int, bytes]:
        """(state, seq, digest of the last record) from the last snapshot and the tail.

        Raises CorruptionError when the tail's chain is broken: such a book is not run.
        """
        state, seq, head = await self._snapshot(book_id)
        async for page in self.tail(book_id, seq):
            for record in page:
                if record.seq != seq + 1:
                    raise CorruptionError("seq_gap", f"Record {record.seq} comes after {seq}.")
                check_digest(record, head)
                state = advance(state, read_body(record))
                seq, head = record.seq, record.digest
        return state, seq, head

    async def _snapshot(self, book_id: UUID) -> tuple[BookState | None, int, bytes]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(
                sql.statement(self.broker, sql.READ_SNAPSHOT), {"book": book_id}
            )
            row = await cursor.fetchone()
        if row is None or row[3] != STATE_VERSION:
            return None, 0, GENESIS
        return decode(bytes(row[2]), BookState), int(row[0]), bytes(row[1])

    async def save_snapshot(self, book_id: UUID, state: bytes, seq: int, head: bytes) -> None:
        """Keep an encoded state as the point to start from."""
        async with self._pool.connection() as connection:
            await connection.execute(
                sql.statement(self.broker, sql.WRITE_SNAPSHOT),
                {
                    "book": book_id,
                    "seq": seq,
                    "digest": head,
                    "state": state,
                    "version": STATE_VERSION,
                },
            )


def encode_state(state: BookState) -> bytes:
    return encode(state)


def _appending(records: Sequence[Record]) -> tuple[str, dict[str, object]]:
    """The statement that writes `records`, and its parameters."""
    if len(records) == 1:
        (one,) = records
        return sql.APPEND_ONE, {
            "seq": one.seq,
            "at": one.at_ms,
            "command": one.command_id,
            "body": one.body,
            "digest": one.digest,
        }
    return sql.APPEND, {
        "seqs": [record.seq for record in records],
        "ats": [record.at_ms for record in records],
        "commands": [record.command_id for record in records],
        "bodies": [record.body for record in records],
        "digests": [record.digest for record in records],
    }


def _record(row: TupleRow) -> Record:
    return Record(
        seq=row[0],
        epoch=row[1],
        at_ms=row[2],
        command_id=row[3],
        body=bytes(row[4]),
        digest=bytes(row[5]),
    )
