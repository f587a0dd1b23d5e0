"""One-minute candles of bid prices from the quotes that pass through."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

MINUTE_MS = 60_000


@dataclass(slots=True)
class Candle:
    symbol: str
    at_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


class BarBuilder:
    """The candle of the running minute of every symbol, and finished ones not yet taken."""

    def __init__(self) -> None:
        self._running: dict[str, Candle] = {}
        self._done: list[Candle] = []

    def add(self, symbol: str, at_ms: int, bid: Decimal) -> None:
        minute = at_ms - at_ms % MINUTE_MS
        candle = self._running.get(symbol)
        if candle is not None and candle.at_ms >= minute:
            candle.high = max(candle.high, bid)
            candle.low = min(candle.low, bid)
            candle.close = bid
            candle.ticks += 1
            return
        if candle is not None:
            self._done.append(candle)
        self._running[symbol] = Candle(symbol, minute, bid, bid, bid, bid, 1)

    def take(self) -> list[Candle]:
        """Finished candles (once) and the running ones as they stand."""
        done, self._done = self._done, []
        return done + list(self._running.values())
