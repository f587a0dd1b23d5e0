"""Protection as rows: limits, stops, tickets closed by the server; with notices and audit.

Notices and audit entries are written once, by the running projection: a rebuild leaves them alone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, LiteralString
from uuid import UUID, uuid5

import numpy as np
from psycopg.types.json import Jsonb

from apps.core.book import events as ev
from apps.core.book.records import Record
from apps.core.book.risk.settings import NO_PROTECTION, protection_as_json
from apps.engine import projection_sql as q

if TYPE_CHECKING:
    from apps.engine.projection import Projection

STUCK_AFTER = 5
"""People hear of a stop that has begun to close this often."""

LIMITS_SET: Final[LiteralString] = """
INSERT INTO {limits} (book_id, scope, account_id, party, limits, set_at, seq)
VALUES (%(book)s, %(scope)s, %(account)s, %(party)s, %(limits)s, to_timestamp(%(at_ms)s / 1000.0),
    %(seq)s)
ON CONFLICT (book_id, scope, account_id, party) DO UPDATE
SET limits = excluded.limits, set_at = excluded.set_at, seq = excluded.seq
"""
LIMITS_GONE: Final[LiteralString] = """
DELETE FROM {limits} WHERE book_id = %(book)s AND scope = %(scope)s AND account_id = %(account)s
  AND party = %(party)s
"""
LIMITS_LEFT: Final[LiteralString] = """
DELETE FROM {limits} WHERE book_id = %(book)s AND scope = 'account' AND account_id = %(account)s
"""
TRIGGERED: Final[LiteralString] = """
INSERT INTO {stop} (id, book_id, account_id, reason, party, phase, attempts, equity_minor,
    level_minor, reference_minor, currency, triggered_at, lifted_by, seq)
VALUES (%(stop)s, %(book)s, %(account)s::bigint, %(reason)s, %(party)s, 'close_only', 0, %(equity)s,
    %(level)s, %(reference)s, coalesce(
        (SELECT currency FROM {account_state} WHERE account_id = %(account)s::bigint),
        (SELECT a.currency FROM {master} m JOIN {trading_account} a ON a.id = m.account_id
         WHERE m.public_id = %(book)s), ''),
    to_timestamp(%(at_ms)s / 1000.0), '', %(seq)s)
"""
ADVANCED: Final[LiteralString] = """
UPDATE {stop} SET phase = %(phase)s::text, seq = %(seq)s,
    attempts = greatest(attempts, %(attempts)s::integer),
    blocked_at = CASE WHEN %(phase)s::text = 'blocked' THEN to_timestamp(%(at_ms)s / 1000.0)
                      ELSE blocked_at END
WHERE book_id = %(book)s AND lifted_at IS NULL
  AND (account_id = ANY(%(accounts)s::bigint[]) OR (account_id IS NULL AND %(is_master)s::boolean))
RETURNING id, account_id, reason, party, equity_minor, level_minor, currency
"""
LINKS_BLOCKED: Final[LiteralString] = """
UPDATE {link} SET status = 'blocked'
WHERE account_id = ANY(%(accounts)s::bigint[]) AND status NOT IN ('detached', 'invited')
  AND master_id = (SELECT id FROM {master} WHERE public_id = %(book)s)
"""
LIFTED: Final[LiteralString] = """
UPDATE {stop} SET phase = 'lifted', lifted_at = to_timestamp(%(at_ms)s / 1000.0),
    lifted_by = %(party)s, seq = %(seq)s
WHERE id = %(stop)s
RETURNING id, account_id, reason, party, equity_minor, level_minor, currency
"""
LINK_LIFTED: Final[LiteralString] = """
UPDATE {link} SET status = 'active' WHERE account_id = %(account)s AND status = 'blocked'
  AND master_id = (SELECT id FROM {master} WHERE public_id = %(book)s)
"""
# The account's owner, the manager, the broker's admins; of the book's own stop all owners.
NOTICE: Final[LiteralString] = """
INSERT INTO {notice} (user_id, event_id, kind, book_id, account_id, data, at, mail, attempts,
    next_at, reason)
SELECT u.id, %(event)s, %(kind)s, %(book)s, %(account)s::bigint,
    %(data)s::jsonb || jsonb_build_object('master', m.name, 'login',
        (SELECT login FROM {trading_account} WHERE id = %(account)s::bigint)),
    to_timestamp(%(at_ms)s / 1000.0), 'queued', 0, to_timestamp(%(at_ms)s / 1000.0), ''
FROM {user} u CROSS JOIN {master} m
WHERE m.public_id = %(book)s AND u.is_active AND (u.id = m.manager_id OR 'admin' = ANY(u.roles)
    OR u.id = (SELECT owner_id FROM {trading_account} WHERE id = %(account)s::bigint)
    OR (%(account)s::bigint IS NULL AND u.id IN (
        SELECT a.owner_id FROM {link} l JOIN {trading_account} a ON a.id = l.account_id
        WHERE l.master_id = m.id AND l.status <> 'detached')))
ON CONFLICT (user_id, event_id) DO NOTHING
"""
AUDIT: Final[LiteralString] = """
INSERT INTO {audit} (at, actor_id, action, subject, before, after, reason, request_id)
VALUES (to_timestamp(%(at_ms)s / 1000.0), NULL, %(action)s, %(subject)s, NULL, %(after)s,
    %(reason)s, '')
"""
CLEAR: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM {limits} WHERE book_id = %(book)s",
    "DELETE FROM {stop} WHERE book_id = %(book)s",
)


def _limits_set(
    projection: Projection, book: UUID, record: Record, event: ev.ProtectionSet
) -> None:
    key = {
        "book": book,
        "scope": event.scope,
        "account": event.account_id or 0,
        "party": event.party,
    }
    if event.protection == NO_PROTECTION:
        projection.run(LIMITS_GONE, **key)
        return
    limits = Jsonb(protection_as_json(event.protection))
    projection.run(LIMITS_SET, limits=limits, at_ms=record.at_ms, seq=record.seq, **key)


def limits_left(projection: Projection, book: UUID, account_id: int) -> None:
    """A new mandate begins without the limits of the old one."""
    projection.run(LIMITS_LEFT, book=book, account=account_id)


def _triggered(projection: Projection, book: UUID, record: Record, event: ev.StopTriggered) -> None:
    projection.run(
        TRIGGERED,
        stop=event.stop_id,
        book=book,
        account=event.account_id,
        reason=event.reason,
        party=event.party,
        equity=event.equity_minor,
        level=event.level_minor,
        reference=event.reference_minor,
        at_ms=event.at_ms,
        seq=record.seq,
    )
    if event.account_id is not None:
        projection.link_status(book, record, event.account_id, "close_only")
    facts = {
        "reason": event.reason,
        "set_by": event.party,
        "equity_minor": event.equity_minor,
        "level_minor": event.level_minor,
        "reference_minor": event.reference_minor,
    }
    _tell(projection, book, record, "stop_triggered", event.stop_id, event.account_id, facts)


def _advanced(projection: Projection, book: UUID, record: Record, event: ev.StopsAdvanced) -> None:
    rows = projection.run(
        ADVANCED,
        phase=event.phase,
        attempts=event.attempts,
        book=book,
        accounts=event.account_ids,
        is_master=event.is_master,
        at_ms=event.at_ms,
        seq=record.seq,
    )
    is_stuck = event.phase == "closing" and event.attempts == STUCK_AFTER
    if event.phase != "blocked" and not is_stuck:
        return
    if event.phase == "blocked" and projection.with_links:
        projection.run(LINKS_BLOCKED, book=book, accounts=event.account_ids)
    kind = "stop_blocked" if event.phase == "blocked" else "stop_stuck"
    for stop_id, account_id, *facts in rows.fetchall():
        _tell(projection, book, record, kind, stop_id, account_id, _facts(facts))


def _lifted(projection: Projection, book: UUID, record: Record, event: ev.StopLifted) -> None:
    rows = projection.run(
        LIFTED, stop=event.stop_id, party=event.party, at_ms=event.at_ms, seq=record.seq
    )
    if event.account_id is not None and projection.with_links:
        projection.run(LINK_LIFTED, book=book, account=event.account_id)
    for stop_id, account_id, *facts in rows.fetchall():
        told = {**_facts(facts), "lifted_by": event.party}
        _tell(projection, book, record, "stop_lifted", stop_id, account_id, told)


def _facts(row: list[Any]) -> dict[str, Any]:
    return dict(
        zip(("reason", "set_by", "equity_minor", "level_minor", "currency"), row, strict=True)
    )


def _tell(
    projection: Projection,
    book: UUID,
    record: Record,
    kind: str,
    of: UUID,
    account: int | None,
    facts: dict[str, Any],
) -> None:
    """The notice to all whom it concerns, and the audit trail's line: the system acted."""
    if not projection.with_links:
        return
    projection.run(
        NOTICE,
        event=uuid5(of, kind),
        kind=kind,
        book=book,
        account=account,
        data=Jsonb(facts),
        at_ms=record.at_ms,
    )
    projection.run(
        AUDIT,
        at_ms=record.at_ms,
        action=f"risk.{kind}",
        subject=f"book:{book}" if account is None else f"account:{account}",
        after=Jsonb({**facts, "id": str(of), "seq": record.seq}),
        reason=str(facts.get("reason", "")),
    )


def _closed_by_server(
    projection: Projection, book: UUID, record: Record, event: ev.TicketClosedByServer
) -> None:
    common = {
        "block": event.block_id,
        "points": event.price_points,
        "at": datetime.fromtimestamp(event.at_ms / 1000, tz=UTC),
        "seq": record.seq,
    }
    one = {"steps": event.steps, "pnl": event.pnl_minor, "tickets": event.ticket_id}
    rows = {name: np.array([value], dtype=np.int64) for name, value in one.items()}
    accounts = np.array([event.account_id], dtype=np.int64)
    projection.run(
        q.CLOSED_PART_BLOCK,
        block=event.block_id,
        points=event.price_points,
        filled=event.steps,
        house=0,
        seq=record.seq,
    )
    projection.run(q.CLOSED_PART_TICKETS, **common, **rows)
    projection.run(q.CLOSED_PART_DEALS, accounts=accounts, rates="{}", **common, **rows)
    projection.run(q.REALISED, accounts=accounts, pnl=rows["pnl"], seq=record.seq)
    facts = {"reason": event.reason, "ticket": event.ticket_id, "pnl_minor": event.pnl_minor}
    of = uuid5(event.block_id, f"{event.ticket_id}:{event.deal_id}")
    _tell(projection, book, record, "server_closed", of, event.account_id, facts)


HANDLERS: dict[type[ev.Event], Callable[[Projection, UUID, Record, Any], None]] = {
    ev.ProtectionSet: _limits_set,
    ev.StopTriggered: _triggered,
    ev.StopsAdvanced: _advanced,
    ev.StopLifted: _lifted,
    ev.TicketClosedByServer: _closed_by_server,
}
