"""All SQL of the engine's own connections. Tables are named in full through tenants.door, so a
connection never depends on whose schema was current before."""

from __future__ import annotations

from functools import lru_cache
from typing import LiteralString
from uuid import uuid4

from django.conf import settings
from django.db import connections
from psycopg import sql
from psycopg.conninfo import make_conninfo

from tenants.door import qualified

SESSIONS = f"prorata-{uuid4().hex}"
"""The name of all of this process's database sessions: a lease holds its owner's, so that whoever
takes it over can end what a frozen owner has left open."""
_TABLES = {
    "journal": "engine_journal",
    "lease": "engine_lease",
    "snapshot": "engine_snapshot",
    "cursor": "engine_projectioncursor",
    "reconciliation": "engine_reconciliation",
    "difference": "engine_difference",
    "block": "allocation_block",
    "allocation": "allocation_allocation",
    "ticket": "allocation_ticket",
    "deal": "allocation_deal",
    "cashflow": "allocation_cashflow",
    "account_state": "allocation_accountstate",
    "equity_point": "allocation_equitypoint",
    "bar": "allocation_bar",
    "account": "accounts_tradingaccount",
    "link": "accounts_link",
    "master": "accounts_master",
    "symbol": "accounts_symbol",
    "user": "accounts_user",
    "trading_account": "accounts_tradingaccount",
    "notice": "accounts_notice",
    "audit": "accounts_auditentry",
    "limits": "allocation_protectionlimits",
    "stop": "allocation_protectionstop",
}


def conninfo() -> str:
    """libpq's connection string of the default database."""
    database = settings.DATABASES["default"]
    return make_conninfo(
        dbname=database["NAME"],
        user=database["USER"] or None,
        password=database["PASSWORD"] or None,
        host=database["HOST"] or None,
        port=database["PORT"] or None,
        application_name=SESSIONS,
    )


def name_django_sessions() -> None:
    """Django's own connections of this process, opened from here on, carry SESSIONS too."""
    connections.databases["default"].setdefault("OPTIONS", {})["application_name"] = SESSIONS


@lru_cache(maxsize=4096)
def statement(broker: str, template: LiteralString) -> sql.Composed:
    """`template` with {journal}, {lease} … replaced by the broker's own tables."""
    return sql.SQL(template).format(
        **{name: qualified(broker, table) for name, table in _TABLES.items()}
    )


# One round trip, one transaction: the rows go in only while the lease still has our epoch. The
# share lock makes a take-over wait for this commit, or this statement see the take-over.
APPEND = """
WITH held AS (
    SELECT book_id FROM {lease} WHERE book_id = %(book)s AND epoch = %(epoch)s FOR SHARE
)
INSERT INTO {journal} (book_id, seq, epoch, at_ms, command_id, body, digest)
SELECT held.book_id, r.seq, %(epoch)s, r.at_ms, r.command_id, r.body, r.digest
FROM held CROSS JOIN unnest(
    %(seqs)b::bigint[], %(ats)b::bigint[], %(commands)b::uuid[], %(bodies)b::bytea[],
    %(digests)b::bytea[]
) AS r(seq, at_ms, command_id, body, digest)
"""

# The usual case of one record: without the arrays, which copy every body once more.
APPEND_ONE = """
WITH held AS (
    SELECT book_id FROM {lease} WHERE book_id = %(book)s AND epoch = %(epoch)s FOR SHARE
)
INSERT INTO {journal} (book_id, seq, epoch, at_ms, command_id, body, digest)
SELECT held.book_id, %(seq)b, %(epoch)s, %(at)b, %(command)b, %(body)b, %(digest)b FROM held
"""

TAIL = """
SELECT seq, epoch, at_ms, command_id, body, digest FROM {journal}
WHERE book_id = %(book)s AND seq > %(after)s ORDER BY seq LIMIT %(limit)s
"""

BY_COMMAND = """
SELECT seq, epoch, at_ms, command_id, body, digest FROM {journal}
WHERE book_id = %(book)s AND command_id = ANY(%(commands)s)
"""

HEADS = "SELECT book_id, max(seq) FROM {journal} GROUP BY book_id"

# Without a lock: a standby that asks again and again neither waits for the owner's appends nor
# makes them wait.
IS_HELD = """
SELECT NOT ((%(steal_own)s AND owner = %(owner)s)
    OR heartbeat_at < clock_timestamp() - make_interval(secs => %(expiry_s)s))
FROM {lease} WHERE book_id = %(book)s
"""

# A lease that was given up (heartbeat of 1970) has left nothing open.
FENCE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = (
    SELECT sessions FROM {lease} WHERE book_id = %(book)s
      AND sessions NOT IN ('', %(sessions)s) AND heartbeat_at > to_timestamp(0))
"""

TAKE_LEASE = """
INSERT INTO {lease} AS l (book_id, owner, epoch, heartbeat_at, sessions)
VALUES (%(book)s, %(owner)s, 1, clock_timestamp(), %(sessions)s)
ON CONFLICT (book_id) DO UPDATE
SET owner = excluded.owner, epoch = l.epoch + 1, heartbeat_at = clock_timestamp(),
    sessions = excluded.sessions
WHERE (%(steal_own)s AND l.owner = excluded.owner)
   OR l.heartbeat_at < clock_timestamp() - make_interval(secs => %(expiry_s)s)
RETURNING epoch
"""

RENEW_LEASES = """
UPDATE {lease} AS l SET heartbeat_at = clock_timestamp()
FROM unnest(%(books)s::uuid[], %(epochs)s::bigint[]) AS mine(book_id, epoch)
WHERE l.book_id = mine.book_id AND l.epoch = mine.epoch RETURNING l.book_id
"""

# A clean stop lets the next engine in at once.
FREE_LEASES = """
UPDATE {lease} AS l SET heartbeat_at = to_timestamp(0)
FROM unnest(%(books)s::uuid[], %(epochs)s::bigint[]) AS mine(book_id, epoch)
WHERE l.book_id = mine.book_id AND l.epoch = mine.epoch
"""

READ_SNAPSHOT = "SELECT seq, digest, state, version FROM {snapshot} WHERE book_id = %(book)s"

WRITE_SNAPSHOT = """
INSERT INTO {snapshot} (book_id, seq, digest, state, version)
VALUES (%(book)s, %(seq)s, %(digest)s, %(state)s, %(version)s)
ON CONFLICT (book_id) DO UPDATE SET seq = excluded.seq, digest = excluded.digest,
    state = excluded.state, version = excluded.version
WHERE {snapshot}.seq < excluded.seq OR {snapshot}.version <> excluded.version
"""

# One projection of a book at a time: a rebuild and the running projector exclude each other.
LOCK_PROJECTION = "SELECT pg_advisory_xact_lock(hashtextextended(%(book)s::text, 0))"

READ_CURSOR = "SELECT seq FROM {cursor} WHERE book_id = %(book)s"

MOVE_CURSOR = """
INSERT INTO {cursor} (book_id, seq, projected_at)
VALUES (%(book)s, %(seq)s, clock_timestamp())
ON CONFLICT (book_id) DO UPDATE SET seq = excluded.seq, projected_at = excluded.projected_at
"""

LAG = """
SELECT h.book_id, h.head, h.head_ms, coalesce(c.seq, 0)
FROM (SELECT DISTINCT ON (book_id) book_id, seq AS head, at_ms AS head_ms
      FROM {journal} ORDER BY book_id, seq DESC) h
LEFT JOIN {cursor} c USING (book_id)
"""

LEASES = """
SELECT book_id, owner, epoch,
       extract(epoch FROM clock_timestamp() - heartbeat_at)::float8 AS age_s FROM {lease}
"""
