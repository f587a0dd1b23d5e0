"""The generated market: a pure function of seed and time, on the grid, with FX's hours."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.servers.simulator.generator import DAY_MS, MINUTE_MS, Generator, bars_of
from apps.servers.simulator.market import Market
from apps.servers.simulator.rates import Tick, account_rates, rate
from apps.servers.simulator.symbols import SYMBOLS

FRIDAY = 20_413  # 2025-11-21, days since 1970-01-01
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def generator() -> Generator:
    return Generator(7)


@pytest.mark.parametrize("symbol", sorted(SYMBOLS))
def test_a_day_is_the_same_whoever_draws_it_and_whenever(symbol: str, generator: Generator) -> None:
    again = Generator(7)
    again.day("USDJPY", FRIDAY + 1)  # another order of asking
    for ours, theirs in zip(generator.day(symbol, FRIDAY), again.day(symbol, FRIDAY), strict=True):
        assert np.array_equal(ours, theirs)
    assert not np.array_equal(Generator(8).day(symbol, FRIDAY).bid, again.day(symbol, FRIDAY).bid)


@pytest.mark.parametrize("symbol", sorted(SYMBOLS))
def test_ticks_are_irregular_at_most_ten_a_second_and_never_crossed(
    symbol: str, generator: Generator
) -> None:
    day = generator.day(symbol, FRIDAY)
    gaps = np.diff(day.times_ms)
    assert gaps.min() >= 100
    assert len(np.unique(gaps)) > 1_000
    assert gaps.max() < 60_000  # else a generated market would go stale
    assert (day.ask > day.bid).all()
    assert len(np.unique(day.ask - day.bid)) > 5
    in_order = day.times_ms.min() >= FRIDAY * DAY_MS and day.times_ms.max() < (FRIDAY + 1) * DAY_MS
    assert in_order


def test_days_join_without_a_jump(generator: Generator) -> None:
    for symbol in SYMBOLS:
        for number in range(FRIDAY, FRIDAY + 5):
            last = generator.day(symbol, number).bid[-1]
            first = generator.day(symbol, number + 1).bid[0]
            assert abs(first / last - 1) < 0.002


def test_london_and_new_york_are_busier_than_asia(generator: Generator) -> None:
    hours = (generator.day("EURUSD", FRIDAY).times_ms % DAY_MS) // HOUR_MS
    busy, quiet = np.isin(hours, [13, 14, 15]).sum(), np.isin(hours, [1, 2, 3]).sum()
    assert busy > 2.5 * quiet


def test_the_weekend_is_closed_in_fx_hours_and_open_in_the_demo() -> None:
    fx, always = Generator(7, always_open=False), Generator(7)
    closes_ms = FRIDAY * DAY_MS + 22 * HOUR_MS
    opens_ms = closes_ms + 48 * HOUR_MS
    times = np.concatenate([fx.day("EURUSD", n).times_ms for n in range(FRIDAY, FRIDAY + 4)])
    assert not ((times >= closes_ms) & (times < opens_ms)).any()
    assert (times < closes_ms).any()
    assert (times >= opens_ms).any()
    assert fx.is_open(closes_ms - 1)
    assert not fx.is_open(closes_ms)
    assert not fx.is_open(opens_ms - 1)
    assert fx.is_open(opens_ms)
    assert always.is_open(closes_ms)
    assert always.day("EURUSD", FRIDAY + 1).times_ms.size > 10_000


def test_bars_are_what_their_ticks_say_and_tell_nothing_of_the_future(
    generator: Generator,
) -> None:
    now_ms = FRIDAY * DAY_MS + 10 * HOUR_MS + 30_500
    from_ms = now_ms - 26 * HOUR_MS
    bars = generator.bars("EURUSD", from_ms, now_ms + HOUR_MS, now_ms)
    day = generator.day("EURUSD", FRIDAY)
    for bar in bars[-3:]:
        seen = (day.times_ms >= bar.minute_ms) & (day.times_ms < bar.minute_ms + MINUTE_MS)
        bids = day.bid[seen & (day.times_ms <= now_ms)]
        assert (bar.open, bar.close) == (bids[0], bids[-1])
        assert (bar.high, bar.low, bar.ticks) == (bids.max(), bids.min(), bids.size)
    assert bars[-1].minute_ms <= now_ms
    minutes = [bar.minute_ms for bar in bars]
    assert minutes == sorted(set(minutes))
    assert minutes[0] >= from_ms
    assert len(bars_of(generator.day("EURUSD", FRIDAY - 1))) > 1_400


def test_the_triangle_eur_usd_jpy_is_not_free(generator: Generator) -> None:
    legs = [generator.day(symbol, FRIDAY) for symbol in ("EURUSD", "USDJPY", "EURJPY")]
    at_ms = FRIDAY * DAY_MS + 12 * HOUR_MS
    eurusd, usdjpy, eurjpy = (
        (day.bid[i] + day.ask[i]) / 2
        for day in legs
        for i in [int(np.searchsorted(day.times_ms, at_ms))]
    )
    assert eurjpy / 1e3 == pytest.approx(eurusd / 1e5 * usdjpy / 1e3, rel=3e-4)


# -- conversion


TICKS = {
    "EURUSD": Tick(110_000, 110_010, 0, 0),
    "GBPUSD": Tick(125_000, 125_020, 0, 0),
    "USDJPY": Tick(150_000, 150_010, 0, 0),
}


def test_rates_are_mid_prices_direct_inverse_or_through_usd() -> None:
    assert rate("EUR", "USD", TICKS) == Decimal("1.10005")
    assert rate("JPY", "USD", TICKS) == Decimal("0.0066664445")  # 1 / 150.005
    assert rate("JPY", "EUR", TICKS) == Decimal("0.0060601286")  # 1 / (150.005 · 1.10005)
    assert rate("USD", "USD", {}) == 1
    assert rate("CHF", "USD", TICKS) is None


def test_only_reachable_currencies_get_a_rate() -> None:
    assert set(account_rates("JPY", TICKS)) == {"USD", "EUR", "GBP", "JPY"}
    assert set(account_rates("USD", {"USDJPY": TICKS["USDJPY"]})) == {"USD", "JPY"}


@settings(max_examples=50, deadline=None)
@given(bid=st.integers(50_000, 200_000), spread=st.integers(0, 500))
def test_there_and_back_is_one_to_nine_digits(bid: int, spread: int) -> None:
    ticks = {"EURUSD": Tick(bid, bid + spread, 0, 0)}
    there, back = rate("EUR", "USD", ticks), rate("USD", "EUR", ticks)
    assert there is not None
    assert back is not None
    assert abs(there * back - 1) < Decimal("1e-9")


# -- freshness and sources


def test_a_quote_is_stale_after_its_time_and_a_symbol_has_one_source() -> None:
    now = [1_000]
    market = Market(stale_after_ms=500, clock=lambda: now[0])
    assert market.why_not("EURUSD") == "no_quote"
    market.publish([("EURUSD", 110_000, 110_010, 5)])
    assert market.why_not("EURUSD") is None
    now[0] = 1_501
    assert market.why_not("EURUSD") == "stale_quote"
    market.set_closed("EURUSD", True)
    assert market.why_not("EURUSD") == "market_closed"
    first, second = object(), object()
    market.take(["EURUSD"], first)
    market.take(["EURUSD"], second)
    assert not market.owned_by("EURUSD", first)
    market.release(first)
    assert market.is_taken("EURUSD")
    market.release(second)
    assert not market.is_taken("EURUSD")
