"""Conversion rates from the quotes at hand.

A rate is the *mid* price, the same for a profit and a loss: direct (`EURUSD` for EUR → USD), else
inverse (1 / `USDJPY` for JPY → USD), else both legs through USD; rounded half-even to ten
decimals. The rate used travels in the Fill, so whoever re-adds uses the same digits. A quote
is used at whatever age it has: a rate needs no tradable market.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from apps.servers.simulator.symbols import ACCOUNT_CURRENCIES, PAIRS, SYMBOLS

TEN_DECIMALS = Decimal("1e-10")


class Tick(NamedTuple):
    """The market's latest price of one symbol, in points."""

    bid: int
    ask: int
    at_ms: int
    source_ms: int


Ticks = Mapping[str, Tick]


def _mid(base: str, quote: str, ticks: Ticks) -> Decimal | None:
    symbol = PAIRS.get((base, quote), "")
    tick = ticks.get(symbol)
    if tick is None:
        return None
    return Decimal(tick.bid + tick.ask).scaleb(-SYMBOLS[symbol].digits) / 2


def _leg(source: str, target: str, ticks: Ticks) -> Decimal | None:
    if source == target:
        return Decimal(1)
    direct = _mid(source, target, ticks)
    if direct is not None:
        return direct
    inverse = _mid(target, source, ticks)
    return None if inverse is None else 1 / inverse


def rate(source: str, target: str, ticks: Ticks) -> Decimal | None:
    """How much `target` one unit of `source` is; None without the quotes for it."""
    one_leg = _leg(source, target, ticks)
    if one_leg is not None:
        return one_leg.quantize(TEN_DECIMALS) if source != target else one_leg
    to_usd, from_usd = _leg(source, "USD", ticks), _leg("USD", target, ticks)
    if to_usd is None or from_usd is None:
        return None
    return (to_usd * from_usd).quantize(TEN_DECIMALS)


def account_rates(source: str, ticks: Ticks) -> dict[str, Decimal]:
    """{account currency: rate} for every account currency that can be reached."""
    rates = {currency: rate(source, currency, ticks) for currency in ACCOUNT_CURRENCIES}
    return {currency: value for currency, value in rates.items() if value is not None}
