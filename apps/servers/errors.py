"""Neutral codes of trading servers and the class each belongs to.

A server's refusal reaches callers as `acks.Rejected(code, raw)`: `code` from the table below,
`raw` the server's own words. `CLASS_OF[code]` tells what may be done next:

retryable  nothing happened; the same command id may be sent again later
terminal   the command can never succeed as it stands
auth       the manager's credentials are wrong or expired; no retry helps
throttled  too many requests; back off
market     the market's state refuses it now (closed, stale, no price, no money)
"""

from __future__ import annotations

from typing import Literal

ErrorClass = Literal["retryable", "terminal", "auth", "throttled", "market"]

CLASS_OF: dict[str, ErrorClass] = {
    # what the command says
    "volume_off_step": "terminal",
    "volume_below_min": "terminal",
    "volume_above_max": "terminal",
    "price_off_grid": "terminal",
    "price_required": "terminal",
    "price_wrong_side": "terminal",
    "price_mismatch": "terminal",
    "amount_invalid": "terminal",
    "currency_unknown": "terminal",
    "leverage_invalid": "terminal",
    "expiry_invalid": "terminal",
    "vector_invalid": "terminal",
    "unsupported": "terminal",
    "command_id_reused": "terminal",
    # what it points at
    "symbol_unknown": "terminal",
    "account_unknown": "terminal",
    "account_exists": "terminal",
    "account_not_master": "terminal",
    "order_unknown": "terminal",
    "order_not_open": "terminal",
    "position_unknown": "terminal",
    "ticket_exists": "terminal",
    "ticket_mismatch": "terminal",
    "deal_unknown": "terminal",
    "deal_mismatch": "terminal",
    "over_allocated": "terminal",
    "rate_missing": "market",
    # what the market or the account says
    "no_money": "market",
    "no_quote": "market",
    "stale_quote": "market",
    "market_closed": "market",
    # the session
    "auth_failed": "auth",
    "throttled": "throttled",
    "server_busy": "retryable",
}
