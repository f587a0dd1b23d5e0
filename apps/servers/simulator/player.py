"""Plays the generator live into the market, pausing each symbol that somebody else quotes."""

from __future__ import annotations

import asyncio

import numpy as np

from apps.servers.simulator.bars import BarStore
from apps.servers.simulator.generator import DAY_MS, Day, Generator
from apps.servers.simulator.market import Market
from apps.servers.simulator.symbols import SYMBOLS

SHORTEST_SLEEP_S, LONGEST_SLEEP_S = 0.01, 0.25
CATCH_UP_MS = 60_000  # after a pause of ours, older ticks are skipped

FeedTick = tuple[str, int, int, int]


class Player:
    """`speed` 10 plays ten minutes of the generator's market in one minute, from the start on."""

    def __init__(
        self, market: Market, generator: Generator, bars: BarStore, *, speed: float = 1.0
    ) -> None:
        self._market = market
        self._generator = generator
        self._bars = bars
        self._speed = speed
        self._started_ms = market.now_ms()
        self._played_ms = dict.fromkeys(SYMBOLS, self._started_ms)
        self._paused: set[str] = set()

    def market_ms(self) -> int:
        """The generator's time: ours, but `speed` times as fast since the start."""
        elapsed_ms = self._market.now_ms() - self._started_ms
        return self._started_ms + int(elapsed_ms * self._speed)

    async def run(self) -> None:
        self._market.publish(self._opening_ticks())
        while True:
            until_ms = self.market_ms()
            due = [tick for symbol in SYMBOLS for tick in self._due(symbol, until_ms)]
            self._market.publish(sorted(due, key=lambda tick: tick[3]))
            wait_s = (self._next_ms(until_ms) - until_ms) / self._speed / 1000
            await asyncio.sleep(min(max(wait_s, SHORTEST_SLEEP_S), LONGEST_SLEEP_S))

    def _opening_ticks(self) -> list[FeedTick]:
        """The last price before the start, so that every symbol is quoted at once."""
        found = []
        for symbol in SYMBOLS:
            tick = self._latest(symbol, self._started_ms)
            self._market.set_closed(symbol, not self._generator.is_open(self._started_ms))
            if tick is not None:
                found.append(tick)
        return found

    def _due(self, symbol: str, until_ms: int) -> list[FeedTick]:
        from_ms = max(self._played_ms[symbol], until_ms - int(CATCH_UP_MS * max(1, self._speed)))
        self._played_ms[symbol] = until_ms
        if self._market.is_taken(symbol):
            self._paused.add(symbol)
            return []
        if symbol in self._paused:
            self._resume(symbol, until_ms)
        self._market.set_closed(symbol, not self._generator.is_open(until_ms))
        ticks: list[FeedTick] = []
        for number in range(from_ms // DAY_MS, until_ms // DAY_MS + 1):
            day = self._generator.day(symbol, number)
            first, last = np.searchsorted(day.times_ms, [from_ms, until_ms], side="right").tolist()
            ticks.extend(self._tick(symbol, day, index) for index in range(first, last))
        return ticks

    def _resume(self, symbol: str, at_ms: int) -> None:
        """Goes on from where the other source left the price, instead of jumping back."""
        self._paused.discard(symbol)
        left = self._market.ticks.get(symbol)
        ours = self._latest(symbol, at_ms)
        if left is not None and ours is not None:
            scale = self._bars.scale(symbol) * (left.bid + left.ask) / (ours[1] + ours[2])
            self._bars.set_scale(symbol, scale)

    def _latest(self, symbol: str, at_ms: int) -> FeedTick | None:
        """The newest tick up to `at_ms`, looking back over a weekend."""
        for number in range(at_ms // DAY_MS, at_ms // DAY_MS - 4, -1):
            day = self._generator.day(symbol, number)
            index = int(np.searchsorted(day.times_ms, at_ms, side="right")) - 1
            if index >= 0:
                return self._tick(symbol, day, index)
        return None

    def _tick(self, symbol: str, day: Day, index: int) -> FeedTick:
        bid, ask = int(day.bid[index]), int(day.ask[index])
        scale = self._bars.scale(symbol)
        if scale != 1.0:
            spread = ask - bid
            bid = round(bid * scale)
            ask = bid + spread
        return symbol, bid, ask, int(day.times_ms[index])

    def _next_ms(self, after_ms: int) -> int:
        """When the next tick of any symbol is due (at most a day ahead)."""
        number = after_ms // DAY_MS
        soonest = after_ms + DAY_MS
        for symbol in SYMBOLS:
            times_ms = self._generator.day(symbol, number).times_ms
            index = int(np.searchsorted(times_ms, after_ms, side="right"))
            if index < times_ms.size:
                soonest = min(soonest, int(times_ms[index]))
        return soonest
