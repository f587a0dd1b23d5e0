"""The statements of the projection: one per kind of event, set-based. Names as in sql.py."""

from __future__ import annotations

from typing import Final, LiteralString

PLACED: Final[LiteralString] = """
INSERT INTO {block} (id, book_id, command_id, symbol, side, type, state, volume_step, digits,
    requested_steps, volume_steps, filled_steps, open_steps, residual_steps,
    house_points_steps, limit_price, stop_limit_price, stop_loss, take_profit, trailing_distance,
    trailing_step, expires_at, rule, origin, parent_id, reject_code, placed_at, seq)
VALUES (%(block)s, %(book)s, %(block)s, %(symbol)s, %(side)s, %(kind)s, 'pending',
    %(volume_step)s, %(digits)s, %(requested)s, 0, 0, 0, 0, 0,
    %(points)s::numeric * power(10::numeric, -%(digits)s),
    %(limit)s::numeric * power(10::numeric, -%(digits)s),
    %(sl)s::numeric * power(10::numeric, -%(digits)s),
    %(tp)s::numeric * power(10::numeric, -%(digits)s),
    %(trailing)s::numeric * power(10::numeric, -%(digits)s),
    %(step)s::numeric * power(10::numeric, -%(digits)s), %(expires)s, %(rule)s, %(origin)s,
    %(parent)s, '', %(at)s, %(seq)s)
"""

AMENDED: Final[LiteralString] = """
UPDATE {block} SET requested_steps = %(requested)s,
    limit_price = %(points)s::numeric * power(10::numeric, -digits),
    stop_loss = %(sl)s::numeric * power(10::numeric, -digits),
    take_profit = %(tp)s::numeric * power(10::numeric, -digits),
    stop_limit_price = %(limit)s::numeric * power(10::numeric, -digits),
    trailing_distance = %(trailing)s::numeric * power(10::numeric, -digits),
    trailing_step = %(step)s::numeric * power(10::numeric, -digits), seq = %(seq)s
WHERE id = %(block)s
"""

TRAILED: Final[LiteralString] = """
UPDATE {block} SET stop_loss = %(sl)s::numeric * power(10::numeric, -digits), seq = %(seq)s
WHERE id = %(block)s
"""

RULE_SET: Final[LiteralString] = """
UPDATE {master} SET rule = %(rule)s, link_defaults = %(defaults)s WHERE public_id = %(book)s
"""

TERMS_SET: Final[LiteralString] = """
UPDATE {link} SET params = %(terms)s WHERE account_id = %(account)s AND status <> 'detached'
  AND master_id = (SELECT id FROM {master} WHERE public_id = %(book)s)
"""

ALLOCATED_BLOCK: Final[LiteralString] = """
UPDATE {block} SET state = 'sent', volume_steps = %(order_steps)s, residual_steps = %(residual)s,
    first_ticket_id = %(first_ticket)s, seq = %(seq)s
WHERE id = %(block)s
"""

# The exact quota: volume · weight / Σ weights of those that take part, or what the event says.
ALLOCATED: Final[LiteralString] = """
INSERT INTO {allocation} (block_id, account_id, weight, requested_steps, steps, reason,
    leg_status, leg_code)
SELECT %(block)s, r.account, r.weight,
    CASE WHEN r.quota IS NOT NULL THEN r.quota::numeric / 100000000
         WHEN r.reason >= 30 OR r.weight <= 0 THEN 0
         ELSE round(b.requested_steps::numeric * r.weight / %(total)s::numeric, 8) END,
    r.steps, (%(names)s::text[])[r.reason + 1], '', ''
FROM {block} b CROSS JOIN unnest(%(accounts)s::bigint[], %(weights)s::bigint[],
    %(steps)s::bigint[], %(reasons)s::bigint[], %(quotas)s::bigint[])
    AS r(account, weight, steps, reason, quota)
WHERE b.id = %(block)s
"""

FILLED_BLOCK: Final[LiteralString] = """
UPDATE {block} SET state = 'open', filled_steps = %(filled)s, open_steps = %(filled)s,
    open_price = %(points)s::numeric * power(10::numeric, -digits), opened_at = %(at)s,
    house_points_steps = house_points_steps - side * %(house)s, seq = %(seq)s
WHERE id = %(block)s
"""

FILLED: Final[LiteralString] = """
WITH opened AS (
    INSERT INTO {ticket} (id, block_id, account_id, symbol, side, steps, open_steps, volume_step,
        open_price, realised_minor, opened_at, seq)
    SELECT r.ticket, b.id, r.account, b.symbol, b.side, r.steps, r.steps, b.volume_step,
        %(points)s::numeric * power(10::numeric, -b.digits), 0, %(at)s, %(seq)s
    FROM {block} b CROSS JOIN unnest(%(tickets)s::bigint[], %(accounts)s::bigint[],
        %(steps)s::bigint[]) AS r(ticket, account, steps)
    WHERE b.id = %(block)s AND r.steps > 0
    RETURNING id, block_id, account_id, steps, open_price
)
INSERT INTO {deal} (ticket_id, block_id, account_id, entry, steps, price, pnl_minor, at, seq)
SELECT id, block_id, account_id, 'in', steps, open_price, 0, %(at)s, %(seq)s FROM opened
"""

CLOSED_PART_BLOCK: Final[LiteralString] = """
UPDATE {block} SET open_steps = open_steps - %(filled)s,
    close_price = %(points)s::numeric * power(10::numeric, -digits),
    house_points_steps = house_points_steps + side * %(house)s, seq = %(seq)s
WHERE id = %(block)s
"""

CLOSED_PART_TICKETS: Final[LiteralString] = """
UPDATE {ticket} t SET open_steps = t.open_steps - r.steps,
    realised_minor = t.realised_minor + r.pnl,
    close_price = %(points)s::numeric * power(10::numeric, -b.digits),
    closed_at = CASE WHEN t.open_steps = r.steps THEN %(at)s END, seq = %(seq)s
FROM {block} b, unnest(%(tickets)s::bigint[], %(steps)s::bigint[], %(pnl)s::bigint[])
    AS r(ticket, steps, pnl)
WHERE b.id = %(block)s AND t.block_id = b.id AND t.id = r.ticket AND r.steps > 0
"""

CLOSED_PART_DEALS: Final[LiteralString] = """
INSERT INTO {deal} (ticket_id, block_id, account_id, entry, steps, price, rate, pnl_minor, at, seq)
SELECT r.ticket, b.id, r.account, 'out', r.steps,
    %(points)s::numeric * power(10::numeric, -b.digits),
    (%(rates)s::jsonb ->> s.currency)::numeric, r.pnl, %(at)s, %(seq)s
FROM {block} b CROSS JOIN unnest(%(tickets)s::bigint[], %(accounts)s::bigint[],
    %(steps)s::bigint[], %(pnl)s::bigint[]) AS r(ticket, account, steps, pnl)
LEFT JOIN {account_state} s ON s.account_id = r.account
WHERE b.id = %(block)s AND r.steps > 0
"""

# Each account once, in ascending order: neighbours are on one page.
REALISED: Final[LiteralString] = """
UPDATE {account_state} s SET balance_minor = s.balance_minor + r.pnl, seq = %(seq)s
FROM unnest(%(accounts)s::bigint[], %(pnl)s::bigint[]) AS r(account, pnl)
WHERE s.account_id = r.account
"""

BLOCK_CLOSED: Final[LiteralString] = """
UPDATE {block} SET state = 'closed', closed_at = %(at)s, seq = %(seq)s WHERE id = %(block)s
"""

BLOCK_OFF: Final[LiteralString] = """
UPDATE {block} SET state = %(state)s, reject_code = %(code)s, closed_at = %(at)s, seq = %(seq)s
WHERE id = %(block)s
"""

# One that joins again may bring money that moved while it was away: that is part of its opening.
LINKED: Final[LiteralString] = """
INSERT INTO {account_state} AS s (account_id, book_id, currency, opening_balance_minor,
    balance_minor, equity_minor, floating_minor, margin_minor, marked_at, seq)
VALUES (%(account)s, %(book)s, %(currency)s, %(balance)s, %(balance)s, %(balance)s, 0, 0, %(at)s,
    %(seq)s)
ON CONFLICT (account_id) DO UPDATE SET book_id = excluded.book_id,
    opening_balance_minor = s.opening_balance_minor + excluded.balance_minor - s.balance_minor,
    balance_minor = excluded.balance_minor, equity_minor = excluded.equity_minor,
    marked_at = excluded.marked_at, seq = excluded.seq
"""

# Many at once; those that wait for a flat book are shown as invited until then.
MANY_LINKED: Final[LiteralString] = """
INSERT INTO {account_state} AS s (account_id, book_id, currency, opening_balance_minor,
    balance_minor, equity_minor, floating_minor, margin_minor, marked_at, seq)
SELECT r.account, %(book)s, (%(currencies)s::text[])[r.currency + 1], r.balance, r.balance,
    r.balance, 0, 0, %(at)s, %(seq)s
FROM unnest(%(accounts)s::bigint[], %(places)s::bigint[], %(balances)s::bigint[])
    AS r(account, currency, balance)
ON CONFLICT (account_id) DO UPDATE SET book_id = excluded.book_id,
    opening_balance_minor = s.opening_balance_minor + excluded.balance_minor - s.balance_minor,
    balance_minor = excluded.balance_minor, equity_minor = excluded.equity_minor,
    marked_at = excluded.marked_at, seq = excluded.seq
"""

RELEASED: Final[LiteralString] = """
UPDATE {ticket} SET released_at = %(at)s, seq = %(seq)s
WHERE id = ANY(%(tickets)s::bigint[])
"""

RELEASED_BLOCK: Final[LiteralString] = """
UPDATE {block} SET open_steps = open_steps - %(steps)s, seq = %(seq)s WHERE id = %(block)s
"""

# A position that never was a ticket here changes what the account came with.
OWN_REDUCED: Final[LiteralString] = """
WITH mine AS (
    UPDATE {ticket} t SET open_steps = t.open_steps - %(steps)s,
        realised_minor = t.realised_minor + %(pnl)s,
        close_price = %(points)s::numeric * power(10::numeric, -b.digits),
        closed_at = CASE WHEN t.open_steps = %(steps)s THEN %(at)s::timestamptz END, seq = %(seq)s
    FROM {block} b WHERE t.id = %(ticket)s AND b.id = t.block_id
    RETURNING t.id, t.block_id, t.account_id, t.close_price
), dealt AS (
    INSERT INTO {deal} (ticket_id, block_id, account_id, entry, steps, price, pnl_minor, at, seq)
    SELECT id, block_id, account_id, 'out', %(steps)s, close_price, %(pnl)s, %(at)s, %(seq)s
    FROM mine
)
UPDATE {account_state} SET balance_minor = balance_minor + %(pnl)s,
    opening_balance_minor = opening_balance_minor
        + CASE WHEN EXISTS (SELECT FROM mine) THEN 0 ELSE %(pnl)s END, seq = %(seq)s
WHERE account_id = %(account)s
"""

FLOW: Final[LiteralString] = """
INSERT INTO {cashflow} (command_id, account_id, kind, amount_minor, comment, at, seq)
VALUES (%(operation)s, %(account)s, %(kind)s, %(amount)s, %(comment)s, %(at)s, %(seq)s)
"""

FLOW_BALANCE: Final[LiteralString] = """
UPDATE {account_state} SET balance_minor = balance_minor + %(amount)s, seq = %(seq)s
WHERE account_id = %(account)s
"""

LINK_STATUS: Final[LiteralString] = """
UPDATE {link} SET status = %(status)s::text,
    joined_at = CASE WHEN %(status)s::text = 'active' THEN coalesce(joined_at, %(at)s)
                     ELSE joined_at END,
    left_at = CASE WHEN %(status)s::text = 'detached' THEN %(at)s ELSE left_at END
WHERE account_id = %(account)s AND status <> 'detached'
  AND master_id = (SELECT id FROM {master} WHERE public_id = %(book)s)
"""

MANY_LINK_STATUS: Final[LiteralString] = """
UPDATE {link} SET status = 'active', joined_at = coalesce(joined_at, %(at)s)
WHERE account_id = ANY(%(accounts)s::bigint[]) AND status <> 'detached'
  AND master_id = (SELECT id FROM {master} WHERE public_id = %(book)s)
"""

CLEAR: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM {deal} WHERE block_id IN (SELECT id FROM {block} WHERE book_id = %(book)s)",
    "DELETE FROM {ticket} WHERE block_id IN (SELECT id FROM {block} WHERE book_id = %(book)s)",
    "DELETE FROM {allocation} WHERE block_id IN (SELECT id FROM {block} WHERE book_id = %(book)s)",
    "DELETE FROM {cashflow} WHERE account_id IN"
    " (SELECT account_id FROM {account_state} WHERE book_id = %(book)s)",
    "DELETE FROM {block} WHERE book_id = %(book)s",
    "DELETE FROM {account_state} WHERE book_id = %(book)s",
    "DELETE FROM {cursor} WHERE book_id = %(book)s",
)
