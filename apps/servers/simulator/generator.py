"""A market that looks like FX and is a pure function of (seed, symbol, time).

Because nothing is remembered, a restart continues without a jump, and the history behind a chart
is the same market the live quotes come from. Each day's path is a bridge between two anchors
(a slow wave plus noise), drawn with fat-tailed tick returns and a few jumps; ticks come at
irregular times, at most ten a second, thick in London and New York and thin in Asia; spreads
breathe with the session and widen after jumps. EURJPY is EURUSD × USDJPY, so no triangle is free.
Floats are used freely: a simulated price is no amount until it is on the symbol's grid.
"""

from __future__ import annotations

import functools
import math
import zlib
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from apps.core.ints import Int64Array, int64
from apps.servers.simulator.symbols import SYMBOLS

FloatArray = npt.NDArray[np.float64]

DAY_MS = 86_400_000
MINUTE_MS = 60_000
MIN_GAP_MS = 100
JUMPS_PER_DAY = 3.0
# Activity by UTC hour, 1.0 = London morning.
LONDON_NEW_YORK = (
    *(0.30, 0.35, 0.35, 0.30, 0.30, 0.35, 0.55, 0.85),
    *(1.00, 1.00, 0.95, 0.90, 1.10, 1.35, 1.40, 1.35),
    *(1.10, 0.80, 0.60, 0.50, 0.40, 0.25, 0.22, 0.25),
)
TOKYO = tuple(max(value, 0.75 if hour < 7 else 0.0) for hour, value in enumerate(LONDON_NEW_YORK))
OPENS_SUNDAY_MS = CLOSES_FRIDAY_MS = 22 * 3_600_000


@dataclass(frozen=True, slots=True)
class Profile:
    base: float
    daily_volatility: float
    spread_points: float
    ticks_per_s: float  # at activity 1.0
    activity: tuple[float, ...] = LONDON_NEW_YORK


PROFILES: dict[str, Profile] = {
    "EURUSD": Profile(1.0860, 0.0045, 6, 2.5),
    "GBPUSD": Profile(1.2710, 0.0050, 9, 2.2),
    "USDJPY": Profile(150.20, 0.0055, 8, 2.4, TOKYO),
    "AUDUSD": Profile(0.6580, 0.0055, 8, 1.6, TOKYO),
    "USDCHF": Profile(0.8830, 0.0045, 10, 1.6),
    "EURJPY": Profile(163.10, 0.0060, 14, 2.0, TOKYO),
    "XAUUSD": Profile(2360.0, 0.0090, 22, 3.0),
}
CROSSES = {"EURJPY": ("EURUSD", "USDJPY")}


class Day(NamedTuple):
    """One UTC day of ticks, oldest first."""

    times_ms: Int64Array
    bid: Int64Array  # points
    ask: Int64Array


class _Path(NamedTuple):
    times_ms: Int64Array
    log_mid: FloatArray
    after_jump: FloatArray  # 1.0 at a jump, fading


class RawBar(NamedTuple):
    minute_ms: int
    open: int  # bid points
    high: int
    low: int
    close: int
    ticks: int


class Generator:
    def __init__(self, seed: int, *, always_open: bool = True) -> None:
        self.seed = seed
        self.always_open = always_open
        self._path = functools.lru_cache(maxsize=24)(self._draw_path)
        self.day = functools.lru_cache(maxsize=16)(self._draw_day)
        self._day_bars = functools.lru_cache(maxsize=128)(self._draw_bars)

    def is_open(self, at_ms: int) -> bool:
        return self.always_open or not bool(_weekend(int64([at_ms]))[0])

    def bars(self, symbol: str, from_ms: int, to_ms: int, now_ms: int) -> list[RawBar]:
        """M1 bars in [from_ms, to_ms), only of what has happened by `now_ms`."""
        bars: list[RawBar] = []
        for number in range(from_ms // DAY_MS, (min(to_ms, now_ms + 1) - 1) // DAY_MS + 1):
            past = (number + 1) * DAY_MS <= now_ms
            day_bars = (
                self._day_bars(symbol, number)
                if past
                else bars_of(_until(self.day(symbol, number), now_ms))
            )
            bars.extend(bar for bar in day_bars if from_ms <= bar.minute_ms < to_ms)
        return bars

    # -- drawing

    def _rng(self, symbol: str, number: int, purpose: int) -> np.random.Generator:
        return np.random.default_rng(
            [self.seed, zlib.crc32(symbol.encode()), number % 2**31, purpose]
        )

    def _anchor(self, symbol: str, number: int) -> float:
        """Log price at the start of day `number`."""
        profile = PROFILES[symbol]
        phases = self._rng(symbol, 0, 9).uniform(0, 2 * math.pi, 3)
        waves = ((37.0, 1.2), (91.0, 2.0), (233.0, 3.0))
        wave = sum(
            size * math.sin(2 * math.pi * number / period + phase)
            for (period, size), phase in zip(waves, phases.tolist(), strict=True)
        )
        noise = float(self._rng(symbol, number, 1).normal()) * 0.6
        return math.log(profile.base) + profile.daily_volatility * (wave + noise)

    def _draw_path(self, symbol: str, number: int) -> _Path:
        rng = self._rng(symbol, number, 2)
        profile = PROFILES[symbol]
        times_ms = self._times(rng, profile) + number * DAY_MS
        if symbol in CROSSES:
            legs = [self._path(leg, number) for leg in CROSSES[symbol]]
            log_mid = sum(
                (np.interp(times_ms, leg.times_ms, leg.log_mid) for leg in legs),
                start=np.zeros(times_ms.size),
            )
            after = np.maximum(*(np.interp(times_ms, leg.times_ms, leg.after_jump) for leg in legs))
            return _Path(times_ms, log_mid, after)
        count = times_ms.size
        returns = rng.standard_t(4, count) * profile.daily_volatility / math.sqrt(2 * count)
        jump_at = rng.integers(0, count, rng.poisson(JUMPS_PER_DAY))
        returns[jump_at] += rng.normal(0, profile.daily_volatility * 0.12, jump_at.size)
        walk = np.cumsum(returns)
        start, end = self._anchor(symbol, number), self._anchor(symbol, number + 1)
        bridge = (end - start - walk[-1]) * np.arange(1, count + 1) / count
        return _Path(times_ms, start + walk + bridge, _fading(jump_at, count))

    def _times(self, rng: np.random.Generator, profile: Profile) -> Int64Array:
        """Irregular times of one day: a Poisson stream of the session's intensity."""
        hours = np.arange(25)
        activity = np.array([*profile.activity, profile.activity[0]])
        minutes = np.arange(1441)
        rate = np.interp(minutes / 60, hours, activity) * profile.ticks_per_s * 60
        expected = np.concatenate([[0.0], np.cumsum(rate[:-1])])
        count = int(expected[-1])
        stream = np.cumsum(rng.exponential(1.0, count))
        times = np.interp(stream[stream < expected[-1]], expected, minutes) * MINUTE_MS
        index = np.arange(times.size) * MIN_GAP_MS
        spaced = np.maximum.accumulate(times - index) + index
        return int64(spaced[spaced < DAY_MS])

    def _draw_day(self, symbol: str, number: int) -> Day:
        path = self._path(symbol, number)
        profile, digits = PROFILES[symbol], SYMBOLS[symbol].digits
        rng = self._rng(symbol, number, 3)
        hour = (path.times_ms % DAY_MS) / 3_600_000
        activity = np.interp(hour, np.arange(24), np.array(profile.activity))
        width = profile.spread_points * (1 + 0.8 * np.clip(1 - activity, 0, 1))
        width = width * rng.lognormal(0, 0.25, hour.size) * (1 + 3 * path.after_jump)
        spread = np.maximum(1, np.rint(width)).astype(np.int64)
        mid = np.exp(path.log_mid) * 10**digits
        bid = np.rint(mid - spread / 2).astype(np.int64)
        day = Day(path.times_ms, bid, bid + spread)
        if self.always_open:
            return day
        keep = ~_weekend(day.times_ms)
        return Day(day.times_ms[keep], day.bid[keep], day.ask[keep])

    def _draw_bars(self, symbol: str, number: int) -> list[RawBar]:
        return bars_of(self._draw_day(symbol, number))


def bars_of(day: Day) -> list[RawBar]:
    """Bid bars of the minutes that have ticks."""
    if day.times_ms.size == 0:
        return []
    minutes, starts = np.unique(day.times_ms // MINUTE_MS, return_index=True)
    ends = np.append(starts[1:], day.times_ms.size)
    columns = (
        minutes * MINUTE_MS,
        day.bid[starts],
        np.maximum.reduceat(day.bid, starts),
        np.minimum.reduceat(day.bid, starts),
        day.bid[ends - 1],
        ends - starts,
    )
    return [RawBar(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def _until(day: Day, now_ms: int) -> Day:
    end = int(np.searchsorted(day.times_ms, now_ms, side="right"))
    return Day(day.times_ms[:end], day.bid[:end], day.ask[:end])


def _weekend(times_ms: Int64Array) -> npt.NDArray[np.bool_]:
    """Friday 22:00 to Sunday 22:00 UTC. 1970-01-01 was a Thursday."""
    weekday = (times_ms // DAY_MS + 3) % 7  # Monday 0
    of_day = times_ms % DAY_MS
    closed: npt.NDArray[np.bool_] = (
        ((weekday == 4) & (of_day >= CLOSES_FRIDAY_MS))
        | (weekday == 5)
        | ((weekday == 6) & (of_day < OPENS_SUNDAY_MS))
    )
    return closed


def _fading(jump_at: Int64Array, count: int) -> FloatArray:
    """1.0 at each jump, halving every 15 ticks."""
    last = np.full(count, -10_000)
    last[jump_at] = jump_at
    since = np.arange(count) - np.maximum.accumulate(last)
    return np.asarray(0.5 ** (since / 15.0), dtype=np.float64)
