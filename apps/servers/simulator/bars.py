"""M1 bid bars: recorded from what was quoted, and generated history before that.

The file `quotes.sqlite` is shared by all named servers. A completed minute is written when the
next one begins (a kill loses the running minute's bar, no trade).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from apps.core.errors import InputError
from apps.servers.simulator.generator import MINUTE_MS, RawBar
from apps.servers.simulator.rates import Tick
from apps.servers.simulator.symbols import SYMBOLS
from apps.servers.types import Bar

MAX_BARS = 10_000
# A cliff between history and the first recorded price (a replayed year, say) larger than this
# is taken out by scaling the history.
CLIFF = 0.005

History = Callable[[str, int, int], list[RawBar]]

TABLES = """
CREATE TABLE IF NOT EXISTS bars (
    symbol TEXT, minute_ms INTEGER, open INTEGER, high INTEGER, low INTEGER, close INTEGER,
    ticks INTEGER, PRIMARY KEY (symbol, minute_ms)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scales (symbol TEXT PRIMARY KEY, scale REAL NOT NULL) WITHOUT ROWID;
"""


class BarStore:
    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(TABLES)
        self._running: dict[str, RawBar] = {}
        self._scales: dict[str, float] = dict(
            self._db.execute("SELECT symbol, scale FROM scales").fetchall()
        )

    def close(self) -> None:
        for symbol in list(self._running):
            self._write(symbol)
        self._db.close()

    def on_ticks(self, ticks: list[tuple[str, Tick]]) -> None:
        for symbol, tick in ticks:
            minute_ms = tick.at_ms - tick.at_ms % MINUTE_MS
            bar = self._running.get(symbol)
            if bar is not None and bar.minute_ms != minute_ms:
                self._write(symbol)
                bar = None
            bid = tick.bid
            if bar is None:
                self._running[symbol] = RawBar(minute_ms, bid, bid, bid, bid, 1)
            else:
                self._running[symbol] = RawBar(
                    minute_ms, bar.open, max(bar.high, bid), min(bar.low, bid), bid, bar.ticks + 1
                )

    def scale(self, symbol: str) -> float:
        """What the generator's prices of this symbol are multiplied with (see Player)."""
        return self._scales.get(symbol, 1.0)

    def set_scale(self, symbol: str, scale: float) -> None:
        self._scales[symbol] = scale
        self._db.execute("INSERT OR REPLACE INTO scales VALUES (?, ?)", (symbol, scale))

    def bars(self, symbol: str, from_ms: int, to_ms: int, history: History | None) -> list[Bar]:
        """Bars of the minutes in [from_ms, to_ms). InputError `range_too_long`."""
        if to_ms - from_ms > MAX_BARS * MINUTE_MS or from_ms < 0:
            raise InputError(
                "range_too_long", f"at most {MAX_BARS} minutes at a time", symbol=symbol
            )
        self._write_running(symbol)
        recorded = [
            RawBar(*row)
            for row in self._db.execute(
                "SELECT minute_ms, open, high, low, close, ticks FROM bars"
                " WHERE symbol = ? AND minute_ms >= ? AND minute_ms < ? ORDER BY minute_ms",
                (symbol, from_ms, to_ms),
            )
        ]
        raw = [*self._before_recording(symbol, from_ms, to_ms, history), *recorded]
        return [_bar(symbol, bar) for bar in raw]

    def _before_recording(
        self, symbol: str, from_ms: int, to_ms: int, history: History | None
    ) -> list[RawBar]:
        if history is None:
            return []
        first = self._db.execute(
            "SELECT minute_ms, open FROM bars WHERE symbol = ? ORDER BY minute_ms LIMIT 1",
            (symbol,),
        ).fetchone()
        if first is None:
            return history(symbol, from_ms, to_ms)
        minute_ms, opened = first
        bars = history(symbol, from_ms, min(to_ms, minute_ms))
        joint = history(symbol, minute_ms - MINUTE_MS * 60, minute_ms + MINUTE_MS)
        scale = opened / joint[-1].close if joint else 1.0
        if abs(scale - 1) < CLIFF:
            return bars
        return [_scaled(bar, scale) for bar in bars]

    def _write(self, symbol: str) -> None:
        self._write_running(symbol)
        self._running.pop(symbol, None)

    def _write_running(self, symbol: str) -> None:
        bar = self._running.get(symbol)
        if bar is not None:
            self._db.execute("INSERT OR REPLACE INTO bars VALUES (?,?,?,?,?,?,?)", (symbol, *bar))


def _scaled(bar: RawBar, scale: float) -> RawBar:
    return RawBar(
        bar.minute_ms,
        round(bar.open * scale),
        round(bar.high * scale),
        round(bar.low * scale),
        round(bar.close * scale),
        bar.ticks,
    )


def _bar(symbol: str, bar: RawBar) -> Bar:
    def price(points: int) -> Decimal:
        return SYMBOLS[symbol].to_price(points)

    return Bar(
        bar.minute_ms,
        price(bar.open),
        price(bar.high),
        price(bar.low),
        price(bar.close),
        bar.ticks,
    )
