"""Tables of one named server. Money in minor units, volumes in steps, prices in points."""

from __future__ import annotations

VERSION = 1

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE accounts (
    login INTEGER PRIMARY KEY, kind TEXT NOT NULL, currency TEXT NOT NULL,
    leverage INTEGER NOT NULL, name TEXT NOT NULL, created_ms INTEGER NOT NULL,
    balance INTEGER NOT NULL DEFAULT 0, credit INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE orders (
    order_id INTEGER PRIMARY KEY, command_id TEXT, login INTEGER NOT NULL, symbol TEXT NOT NULL,
    side INTEGER NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL, steps INTEGER NOT NULL,
    cum_steps INTEGER NOT NULL DEFAULT 0, points INTEGER, placed_ms INTEGER NOT NULL,
    expires_ms INTEGER, slice_steps INTEGER, position_id INTEGER
);
CREATE INDEX orders_working ON orders (login) WHERE status = 'working';
CREATE TABLE fills (
    deal_id INTEGER PRIMARY KEY, order_id INTEGER NOT NULL, login INTEGER NOT NULL,
    symbol TEXT NOT NULL, side INTEGER NOT NULL, steps INTEGER NOT NULL,
    unallocated INTEGER NOT NULL CHECK (unallocated >= 0), points INTEGER NOT NULL,
    rates TEXT NOT NULL, at_ms INTEGER NOT NULL
);
CREATE INDEX fills_unallocated ON fills (login) WHERE unallocated > 0;
CREATE TABLE tickets (
    ticket_id INTEGER PRIMARY KEY, login INTEGER NOT NULL, symbol TEXT NOT NULL,
    side INTEGER NOT NULL, steps INTEGER NOT NULL,
    open_steps INTEGER NOT NULL CHECK (open_steps >= 0), points INTEGER NOT NULL,
    opened_ms INTEGER NOT NULL
);
CREATE INDEX tickets_open ON tickets (login) WHERE open_steps > 0;
CREATE TABLE deals (
    deal_id INTEGER PRIMARY KEY, login INTEGER NOT NULL, kind TEXT NOT NULL,
    amount INTEGER NOT NULL, at_ms INTEGER NOT NULL, command_id TEXT, position_id INTEGER,
    symbol TEXT, side INTEGER, steps INTEGER NOT NULL DEFAULT 0, points INTEGER,
    comment TEXT NOT NULL DEFAULT ''
);
CREATE INDEX deals_of_login ON deals (login, deal_id);
CREATE TABLE outcomes (
    command_id TEXT PRIMARY KEY, digest BLOB NOT NULL, outcome BLOB NOT NULL, at_ms INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE events (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""
