"""Legs → rows: tickets in their own steps and prices, what each slipped, why one failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, LiteralString
from uuid import UUID

import numpy as np

from apps.core.book import events as ev
from apps.core.book.records import Record
from apps.core.book.state import Note
from apps.engine.instants import instant

Run = Callable[..., Any]

PLANNED: Final[LiteralString] = """
UPDATE {allocation} a SET leg_status = r.status, leg_code = r.code
FROM unnest(%(accounts)s::bigint[], %(statuses)s::text[], %(codes)s::text[])
    AS r(account, status, code)
WHERE a.block_id = %(block)s AND a.account_id = r.account
"""

SENT: Final[LiteralString] = """
UPDATE {allocation} SET leg_status = 'sent' WHERE block_id = %(block)s AND leg_status = 'waiting'
"""

RETRIED: Final[LiteralString] = """
UPDATE {allocation} SET leg_status = 'sent', leg_code = ''
WHERE block_id = %(block)s AND account_id = ANY(%(accounts)s::bigint[])
"""

FILLED_BLOCK: Final[LiteralString] = """
UPDATE {block} SET state = 'open', filled_steps = filled_steps + %(steps)s,
    open_steps = open_steps + %(steps)s, opened_at = coalesce(opened_at, %(at)s),
    open_price = coalesce(open_price, round(
        %(points)s::numeric * power(10::numeric, -%(digits)s), digits)), seq = %(seq)s
WHERE id = %(block)s
"""

FILLED: Final[LiteralString] = """
WITH opened AS (
    INSERT INTO {ticket} (id, block_id, account_id, symbol, side, steps, open_steps, volume_step,
        open_price, realised_minor, opened_at, seq)
    SELECT %(ticket)s, b.id, %(account)s, %(symbol)s, b.side, %(own)s, %(own)s, %(step)s,
        %(points)s::numeric * power(10::numeric, -%(digits)s), 0, %(at)s, %(seq)s
    FROM {block} b WHERE b.id = %(block)s
    RETURNING id, block_id, account_id, steps, open_price
)
INSERT INTO {deal} (ticket_id, block_id, account_id, entry, steps, price, pnl_minor,
    slippage_points, at, seq)
SELECT id, block_id, account_id, 'in', steps, open_price, 0, %(slippage)s, %(at)s, %(seq)s
FROM opened
"""

FILLED_SHARE: Final[LiteralString] = """
UPDATE {allocation} SET leg_status = 'filled', slippage_points = %(slippage)s
WHERE block_id = %(block)s AND account_id = %(account)s
"""

FAILED: Final[LiteralString] = """
UPDATE {allocation} SET leg_code = %(code)s,
    leg_status = CASE WHEN %(is_close)s THEN leg_status ELSE 'failed' END
WHERE block_id = %(block)s AND account_id = %(account)s
"""

# The average is for show, and only where no master order gave the block its price.
SETTLED: Final[LiteralString] = """
UPDATE {block} b SET open_price = %(points)s::numeric * power(10::numeric, -b.digits),
    seq = %(seq)s
WHERE b.id = %(block)s AND %(points)s > 0 AND NOT EXISTS (
    SELECT 1 FROM {allocation} a WHERE a.block_id = b.id AND a.steps > 0 AND a.leg_status = '')
"""

CLOSED_BLOCK: Final[LiteralString] = """
UPDATE {block} SET open_steps = open_steps - %(steps)s, close_price = round(
    %(points)s::numeric * power(10::numeric, -%(digits)s), digits), seq = %(seq)s
WHERE id = %(block)s
"""

CLOSED_TICKET: Final[LiteralString] = """
UPDATE {ticket} SET open_steps = open_steps - %(own)s,
    realised_minor = realised_minor + %(pnl)s,
    close_price = %(points)s::numeric * power(10::numeric, -%(digits)s),
    closed_at = CASE WHEN open_steps = %(own)s THEN %(at)s END, seq = %(seq)s
WHERE id = %(ticket)s
"""

CLOSED_DEAL: Final[LiteralString] = """
INSERT INTO {deal} (ticket_id, block_id, account_id, entry, steps, price, rate, pnl_minor,
    slippage_points, at, seq)
VALUES (%(ticket)s, %(block)s, %(account)s, 'out', %(own)s,
    %(points)s::numeric * power(10::numeric, -%(digits)s), %(rate)s, %(pnl)s, %(slippage)s,
    %(at)s, %(seq)s)
"""

CLOSED_BALANCE: Final[LiteralString] = """
UPDATE {account_state} SET balance_minor = balance_minor + %(pnl)s, seq = %(seq)s
WHERE account_id = %(account)s
"""

EXECUTION: Final[LiteralString] = """
UPDATE {master} SET execution = %(mode)s WHERE public_id = %(book)s
"""


def project(run: Run, book: UUID, record: Record, event: ev.Event) -> None:
    """Rows of one event of this subject; nothing for any other."""
    match event:
        case ev.LegsPlanned():
            _planned(run, event)
        case ev.LegsSent():
            run(SENT, block=event.block_id)
        case ev.LegsRetried():
            run(RETRIED, block=event.block_id, accounts=event.account_ids)
        case ev.LegFilled():
            _filled(run, record, event)
        case ev.LegClosed():
            _closed(run, record, event)
        case ev.LegFailed():
            run(
                FAILED,
                block=event.block_id,
                account=event.account_id,
                code=event.code[:60],
                is_close=event.close_id is not None,
            )
        case ev.LegsSettled():
            run(SETTLED, block=event.block_id, points=event.price_points, seq=record.seq)
        case _:
            pass


def _planned(run: Run, event: ev.LegsPlanned) -> None:
    on_way = "waiting" if event.waits else "sent"
    notes = [Note(int(note)) for note in event.notes]
    run(
        PLANNED,
        block=event.block_id,
        accounts=event.account_ids,
        statuses=np.where(event.own_steps > 0, on_way, "failed").tolist(),
        codes=["" if note is Note.EXACT else note.name.lower() for note in notes],
    )


def _common(record: Record, event: ev.LegFilled | ev.LegClosed) -> dict[str, Any]:
    return {
        "block": event.block_id,
        "ticket": event.ticket_id,
        "account": event.account_id,
        "steps": event.steps,
        "own": event.own_steps,
        "points": event.price_points,
        "digits": event.digits,
        "slippage": event.slippage_points,
        "at": instant(event.at_ms),
        "seq": record.seq,
    }


def _filled(run: Run, record: Record, event: ev.LegFilled) -> None:
    values = _common(record, event)
    own_name = event.symbol.partition("@")[0]
    run(FILLED_BLOCK, **values)
    run(FILLED, symbol=own_name, step=event.volume_step, **values)
    run(FILLED_SHARE, **values)


def _closed(run: Run, record: Record, event: ev.LegClosed) -> None:
    values = {**_common(record, event), "pnl": event.pnl_minor}
    (rate,) = event.rates.values()
    run(CLOSED_BLOCK, **values)
    run(CLOSED_TICKET, **values)
    run(CLOSED_DEAL, rate=rate, **values)
    run(CLOSED_BALANCE, **values)
