"""Positions, average prices, margin, stop-out, swaps, conversion."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.conversion import conversion
from apps.core.errors import InputError, RejectedError
from apps.core.margin import (
    HedgedMode,
    Marked,
    Tier,
    cfd_margin,
    forex_margin,
    hedged_lots,
    margin_level,
    stop_out,
    tiered_margin,
)
from apps.core.positions import HedgedBook, NetPosition, book_price, vwap
from apps.core.swaps import FRIDAY, nights, swap_percent, swap_points

D = Decimal
deals = st.lists(
    st.tuples(st.sampled_from([1, -1]), st.integers(1, 50), st.integers(1, 2000)),
    min_size=1,
    max_size=12,
)


@given(deals, st.integers(1, 2000))
def test_netting_and_hedging_show_the_same_total_result(
    rows: list[tuple[int, int, int]], price: int
) -> None:
    net, hedged = NetPosition(), HedgedBook()
    for side, lots, deal_price in rows:
        net, hedged = net.after(side, lots, deal_price), hedged.opened(side, lots, deal_price)
    assert net.realised + net.floating(price) == hedged.realised + hedged.floating(price)
    assert net.lots == hedged.lots(1) - hedged.lots(-1)


def test_a_reversal_opens_at_the_deals_price_and_a_reduction_keeps_the_average() -> None:
    position = NetPosition().after(1, 2, 100).after(1, 2, 110)
    assert position.price == 105
    assert position.after(-1, 1, 120).price == 105
    turned = position.after(-1, 7, 120)
    assert turned == NetPosition(Fraction(-3), Fraction(120), Fraction(60))
    flat = turned.after(1, 3, 110)
    assert flat == NetPosition(Fraction(0), Fraction(0), Fraction(90))


def test_a_hedged_position_closes_in_parts_by_number() -> None:
    book = HedgedBook().opened(1, 2, 100).opened(-1, 1, 101)
    half = book.closed(0, 1, 103)
    assert half.realised == 3
    assert len(half.legs) == 2
    assert len(half.closed(0, 1, 104).legs) == 1
    with pytest.raises(InputError):
        book.closed(1, 2, 100)


@given(
    st.lists(st.tuples(st.integers(1, 100), st.integers(100_000, 100_100)), min_size=1, max_size=6),
    st.sampled_from([1, -1]),
)
def test_the_house_takes_exactly_what_rounding_the_price_moves(
    fills: list[tuple[int, int]], side: int
) -> None:
    exact = [(quantity, Fraction(points, 10**6)) for quantity, points in fills]
    booked = book_price(exact, side, 5, 100_000)
    paid = sum(q * p for q, p in exact) * 100_000 * side
    charged = sum(q for q, _ in exact) * Fraction(booked.price) * 100_000 * side
    assert charged == paid + booked.house_difference
    assert abs(Fraction(booked.price) - vwap(exact)) <= Fraction(1, 2 * 10**5)


def test_no_fill_has_no_average() -> None:
    with pytest.raises(InputError):
        vwap([])
    with pytest.raises(InputError):
        vwap([(0, 100)])


def test_margin_of_forex_and_cfd() -> None:
    assert forex_margin(1, 100_000, 100, D("1.2")) == 1200
    assert cfd_margin(2, 100, D("1850.5"), 20) == D("18505")
    with pytest.raises(InputError):
        forex_margin(1, 100_000, 0, 1)


TIERS = [Tier(100_000, 100), Tier(500_000, 50), Tier(None, 10)]


def test_tiers_are_marginal_and_bounded_by_the_accounts_leverage() -> None:
    assert tiered_margin(100_000, TIERS) == 1000
    assert tiered_margin(600_000, TIERS) == 1000 + 8000 + 10_000
    assert tiered_margin(200_000, TIERS, account_leverage=50) == 4000
    with pytest.raises(InputError):
        tiered_margin(1, [Tier(100, 10)])


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_tiered_margin_never_falls_with_size(first: int, more: int) -> None:
    assert tiered_margin(first + more, TIERS) >= tiered_margin(first, TIERS)


@pytest.mark.parametrize(
    ("mode", "lots"), [(HedgedMode.MAX, 2), (HedgedMode.SUM, 3), (HedgedMode.NET, 1)]
)
def test_hedged_volume(mode: HedgedMode, lots: int) -> None:
    assert hedged_lots(2, 1, mode) == hedged_lots(1, 2, mode) == lots


positions = st.lists(
    st.tuples(st.integers(1, 2000), st.integers(-2000, 500), st.integers(1, 20)),
    min_size=1,
    max_size=7,
)


@given(positions, st.integers(1, 5000), st.integers(1, 150), st.booleans())
def test_stop_out_stops_as_soon_as_the_level_is_above_the_threshold(
    rows: list[tuple[int, int, int]], equity: int, threshold: int, partial: bool
) -> None:
    marked = [Marked(str(i), m, p, s) for i, (m, p, s) in enumerate(rows)]
    steps = stop_out(equity, marked, threshold, partial=partial)
    levels = [margin_level(equity, sum(m for m, _, _ in rows)), *(s.level_after for s in steps)]
    for level in levels[:-1]:
        assert level is not None
        assert level <= threshold
    assert levels[-1] is None or levels[-1] > threshold
    if not partial:
        losses = {m.id: m.pnl for m in marked}
        closed = [losses[step.id] for step in steps]
        assert closed == sorted(closed)


def test_partial_stop_out_closes_no_step_too_many() -> None:
    (step,) = stop_out(
        750, [Marked("a", 2000, -100, 20), Marked("b", 400, -900, 4)], 50, partial=True
    )
    assert (step.id, step.steps) == ("a", 10)
    assert step.level_after == Fraction(750, 1400) * 100


def test_negative_equity_closes_everything() -> None:
    steps = stop_out(-5, [Marked("a", 100, -10), Marked("b", 100, 20)], 50)
    assert [step.id for step in steps] == ["a", "b"]


def test_the_triple_day_counts_three_and_the_weekend_nothing() -> None:
    monday = date(2026, 3, 2)
    assert nights(monday, date(2026, 3, 9)) == 7
    assert nights(date(2026, 3, 4), date(2026, 3, 5)) == 3
    assert nights(date(2026, 3, 6), monday.replace(day=9)) == 1
    assert nights(date(2026, 3, 6), date(2026, 3, 9), FRIDAY) == 3
    assert nights(monday, monday) == 0
    with pytest.raises(InputError):
        nights(date(2026, 3, 9), monday)


def test_swap_in_points_and_per_cent() -> None:
    assert swap_points(2, 100_000, D("0.00001"), D("-5.47"), 1) == D("-10.94")
    assert swap_percent(1, 100, D(2000), D("-3.6"), 3) == -60


PRICES = {
    ("EUR", "USD"): D("1.1"),
    ("USD", "JPY"): D("150"),
    ("GBP", "USD"): D("1.25"),
    ("EUR", "GBP"): D("0.87"),
}


@pytest.mark.parametrize(
    ("source", "target", "rate", "path"),
    [
        ("EUR", "EUR", "1", ("EUR",)),
        ("EUR", "USD", "1.1", ("EUR", "USD")),
        ("JPY", "USD", "0.00666666666667", ("JPY", "USD")),
        ("EUR", "GBP", "0.87", ("EUR", "GBP")),
        ("GBP", "EUR", "1.14942528736", ("GBP", "EUR")),
        ("JPY", "EUR", "0.00606060606061", ("JPY", "USD", "EUR")),
    ],
)
def test_conversion_is_direct_inverse_or_through_the_pivot(
    source: str, target: str, rate: str, path: tuple[str, ...]
) -> None:
    found = conversion(source, target, PRICES)
    assert (found.rate, found.path) == (D(rate), path)


def test_a_missing_rate_names_the_pair() -> None:
    with pytest.raises(RejectedError) as caught:
        conversion("CHF", "JPY", PRICES)
    assert caught.value.code == "missing_rate"
    assert (caught.value.details["source"], caught.value.details["target"]) == ("CHF", "JPY")
    with pytest.raises(InputError):
        conversion("EUR", "USD", {("EUR", "USD"): D(0)})
