"""A trade's profit from its prices alone, where that is possible without outside rates.

FX pairs only, contracts of 100,000 units of the base (the standard lot): profit in the quote
currency = (close − open) · side · lots · 100,000 (math.md §2). It is the account's own when

- the quote currency is the account's currency (EURUSD in USD): exact;
- the base currency is the account's currency (USDJPY in USD): divided by the closing price, which
  is the rate at that moment.

A cross (EURJPY in USD) needs a rate the file does not hold; the rate its profit implies is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Literal

from apps.leaderboards.statements.records import Trade

LOT = Decimal(100_000)
CURRENCIES = frozenset(
    {
        *("AUD", "CAD", "CHF", "CNH", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "ILS", "JPY"),
        *("MXN", "NOK", "NZD", "PLN", "RON", "SEK", "SGD", "THB", "TRY", "USD", "ZAR"),
    }
)
Result = Literal["agrees", "differs", "needs_rate", "not_fx"]


@dataclass(frozen=True, slots=True)
class PriceCheck:
    """`profit` is None unless it could be recomputed; `implied_rate` only for crosses."""

    trade: Trade
    result: Result
    profit: Decimal | None = None
    implied_rate: Decimal | None = None


def check(trade: Trade, currency: str, unit: Decimal = Decimal("0.01")) -> PriceCheck:
    """Recompute `trade.profit` in `currency`, rounded half away from zero to `unit`."""
    base, quote = trade.symbol[:3], trade.symbol[3:6]
    if base not in CURRENCIES or quote not in CURRENCIES:
        return PriceCheck(trade, "not_fx")
    move = trade.close_price - trade.open_price
    in_quote = (move if trade.side == "buy" else -move) * trade.lots * LOT
    if quote == currency:
        exact = in_quote
    elif base == currency:
        exact = in_quote / trade.close_price
    else:
        implied = (trade.profit / in_quote).quantize(Decimal("0.00001")) if in_quote else None
        return PriceCheck(trade, "needs_rate", implied_rate=implied)
    profit = exact.quantize(unit, ROUND_HALF_UP)
    return PriceCheck(trade, "agrees" if profit == trade.profit else "differs", profit)
