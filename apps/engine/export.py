"""A book's journal as lines of JSON, for the standalone verifier (docs/auditing.md)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator
from uuid import UUID

from apps.core.book.records import GENESIS, Record
from apps.engine.projector import connect
from apps.engine.verification import read_records

FORMAT, VERSION = "prorata-journal", 1


def export_lines(broker: str, book_id: UUID) -> Iterator[str]:
    """The lines of one book's export, all of one instant, in constant memory."""
    with connect() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield from lines_of(broker, book_id, read_records(connection, broker, book_id))


def lines_of(broker: str, book_id: UUID, records: Iterable[Record]) -> Iterator[str]:
    """A header, a line for each record, and the end that says how many and the last digest."""
    header = {"format": FORMAT, "version": VERSION, "broker": broker, "book_id": str(book_id)}
    yield json.dumps(header)
    count, head = 0, GENESIS
    for record in records:
        count, head = count + 1, record.digest
        yield json.dumps(
            {
                "seq": record.seq,
                "epoch": record.epoch,
                "at_ms": record.at_ms,
                "command_id": str(record.command_id),
                "digest": record.digest.hex(),
                "body": base64.b64encode(record.body).decode(),
            }
        )
    yield json.dumps({"end": {"records": count, "head": head.hex()}})
