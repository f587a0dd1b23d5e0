"""The durable half of one named server: a SQLite file, one writer, one transaction per command.

WAL with synchronous=NORMAL: what was committed survives `kill -9` of the process at any instant;
a power cut of the whole machine may lose the last commits (never tear one).
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from apps.core.errors import CorruptionError, ForbiddenError
from apps.servers.events import EventBase
from apps.servers.simulator import schema
from apps.servers.simulator.wire import encoder

KEPT_EVENTS = 200_000  # older ones are pruned: a cursor before them gets a Gap
PRUNE_EVERY = 1_000
WANTED = "WITH wanted(position, id) AS (SELECT key, value FROM json_each(?)) "

Row = sqlite3.Row


def token_digest(token: str) -> str:
    """Tokens are long random strings, so one round of SHA-256 is enough at rest."""
    return hashlib.sha256(token.encode()).hexdigest()


class Store:
    def __init__(self, path: Path, *, kept_events: int = KEPT_EVENTS) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, cached_statements=256)
        self._db.row_factory = sqlite3.Row
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-65536"):
            self._db.execute(f"PRAGMA {pragma}")
        self._kept_events = kept_events
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._db.executescript(
                f"BEGIN; {schema.TABLES} PRAGMA user_version={schema.VERSION}; COMMIT;"
            )
        elif version != schema.VERSION:
            raise CorruptionError(
                "schema_version", f"{path} has schema {version}, this program {schema.VERSION}"
            )
        self.last_seq = self._number("SELECT max(seq) FROM events")
        self._next_deal = 1 + max(
            self._number("SELECT max(deal_id) FROM deals"),
            self._number("SELECT max(deal_id) FROM fills"),
        )
        self._next_order = 1 + self._number("SELECT max(order_id) FROM orders")

    @classmethod
    def create(
        cls,
        path: Path,
        token: str,
        *,
        kept_events: int = KEPT_EVENTS,
        block_allocation: bool = True,
    ) -> Store:
        store = cls(path, kept_events=kept_events)
        with store.transaction():
            store.execute("INSERT INTO meta VALUES ('token', ?)", (token_digest(token),))
            if not block_allocation:
                store.execute("INSERT INTO meta VALUES ('block_allocation', 'no')")
        return store

    def check_token(self, token: str) -> None:
        """ForbiddenError `auth_failed`."""
        known = self.one("SELECT value FROM meta WHERE key = 'token'")
        if known is None or not hmac.compare_digest(known["value"], token_digest(token)):
            raise ForbiddenError("auth_failed", "the manager token is not right for this server")

    @property
    def block_allocation(self) -> bool:
        """Whether this server books a master's fills on other accounts."""
        return self.one("SELECT 1 FROM meta WHERE key = 'block_allocation'") is None

    def close(self) -> None:
        self._db.close()

    # -- reading and writing

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; counters go back with it."""
        counters = self.last_seq, self._next_deal, self._next_order
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.last_seq, self._next_deal, self._next_order = counters
            raise

    def execute(self, sql: str, values: Sequence[Any] = ()) -> None:
        self._db.execute(sql, values)

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._db.executemany(sql, rows)

    def all(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(sql, values).fetchall()

    def one(self, sql: str, values: Sequence[Any] = ()) -> Row | None:
        row: Row | None = self._db.execute(sql, values).fetchone()
        return row

    def by_ids(self, sql: str, ids: Sequence[int]) -> list[Row]:
        """`sql` joins `wanted(position, id)`; for any number of ids."""
        return self.all(WANTED + sql, (json.dumps(list(ids)),))

    def tuples_by_ids(self, sql: str, ids: Sequence[int]) -> list[tuple[Any, ...]]:
        """As `by_ids`, cheaper, for many rows."""
        cursor = self._db.cursor()
        cursor.row_factory = None
        return cursor.execute(WANTED + sql, (json.dumps(list(ids)),)).fetchall()

    def new_deals(self, count: int = 1) -> int:
        """The first of `count` consecutive deal ids."""
        first = self._next_deal
        self._next_deal += count
        return first

    def new_order(self) -> int:
        self._next_order += 1
        return self._next_order - 1

    def _number(self, sql: str) -> int:
        return int(self._db.execute(sql).fetchone()[0] or 0)

    # -- events

    def append_event(self, event: EventBase) -> None:
        """`event.seq` must be `last_seq + 1` (see Exchange.tell)."""
        self.last_seq = event.seq
        self._db.execute("INSERT INTO events VALUES (?, ?)", (event.seq, encoder.encode(event)))
        if event.seq % PRUNE_EVERY == 0:
            keep_from = event.seq - self._kept_events + 1
            self._db.execute("DELETE FROM events WHERE seq < ?", (keep_from,))

    def events_after(self, seq: int, limit: int) -> list[tuple[int, bytes]]:
        rows = self._db.execute(
            "SELECT seq, body FROM events WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        )
        return [(row[0], row[1]) for row in rows]
