"""Fraud rules: found when they should be, silent when they should be, at the very threshold."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.fraud import abuse, conduct, copying
from apps.core.fraud.copying import CopySettings, Open

D = Decimal
MASTER = [
    Open(n * 1000, "EURUSD" if n % 2 else "GBPUSD", 1 if n % 3 else -1, D(1)) for n in range(12)
]


def _copies(lag: int, count: int = 12, ratio: str = "0.1") -> list[Open]:
    return [
        trade._replace(at_s=trade.at_s + lag, lots=trade.lots * D(ratio))
        for trade in MASTER[:count]
    ]


def test_a_copier_is_found_up_to_the_window_and_not_beyond() -> None:
    assert copying.copy_score(MASTER, _copies(60)).flag
    assert not copying.copy_score(MASTER, _copies(61)).flag
    assert not copying.copy_score(MASTER, _copies(-1)).flag


def test_each_threshold_flags_at_its_value_and_not_below() -> None:
    copies = _copies(5)
    score = copying.copy_score(MASTER, copies[:10], CopySettings(min_matches=10))
    assert score.matched == 10
    assert score.flag
    assert not copying.copy_score(MASTER, copies[:9]).flag
    noise = [Open(n + 500_000, "XAUUSD", 1, D(1)) for n in range(12)]
    assert copying.copy_score(MASTER, copies + noise).flag
    assert not copying.copy_score(MASTER, [*copies, *noise, noise[0]]).flag


def test_lot_ratios_must_be_alike() -> None:
    wild = [replace_lots(copy, D("0.1") * (1 if n < 9 else 9)) for n, copy in enumerate(_copies(5))]
    score = copying.copy_score(MASTER, wild)
    assert score.ratio_consistency == D("0.75")
    assert not score.flag


def replace_lots(trade: Open, lots: Decimal) -> Open:
    return trade._replace(lots=lots)


def test_an_account_against_the_master_is_found_by_the_flipped_score() -> None:
    against = [copy.flipped() for copy in _copies(5)]
    assert not copying.copy_score(MASTER, against).flag
    assert copying.reverse_score(MASTER, against).flag


def test_a_trade_is_matched_once_and_the_earliest_wins() -> None:
    twice = [Open(0, "EURUSD", 1, D(1)), Open(1, "EURUSD", 1, D(1))]
    score = copying.copy_score(twice, [Open(3, "EURUSD", 1, D(1))])
    assert score.matched == 1
    assert score.median_lag_s == 3
    assert copying.copy_score(twice, []).median_lag_s is None


@given(st.integers(1, 60), st.data(), st.floats(0.001, 0.999))
def test_the_binomial_tail_is_the_sum_of_its_terms(n: int, data: st.DataObject, p: float) -> None:
    k = data.draw(st.integers(0, n + 1))
    expected = sum(comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
    assert copying.binomial_tail(k, n, p) == pytest.approx(expected, rel=1e-9, abs=1e-300)


def test_chance_explains_few_matches_and_not_many() -> None:
    chance = copying.chance_of_match(30, 20, 60)
    assert chance == pytest.approx(0.0010411243202755093, rel=1e-12)
    score = copying.copy_score(MASTER, _copies(5))
    assert copying.significant(score, copying.binomial_tail(12, 12, chance))
    assert not copying.significant(score, copying.binomial_tail(1, 12, chance))


def test_latency_arbitrage_bounds_are_inclusive() -> None:
    at = abuse.GapTrade("at", 3, 20, 120)
    trades = [
        at,
        at._replace(id="gap", gap_at_open_s=D("2.99")),
        at._replace(id="slow", duration_s=121),
        at._replace(id="poor", profit=D("19.99")),
    ]
    found = abuse.latency_arbitrage(trades, gap_s=3, max_duration_s=120, min_profit=20)
    assert found == ["at"]


def _pair(at: int = 120, lots: str = "0.9") -> tuple[abuse.HedgeTrade, abuse.HedgeTrade]:
    return (
        abuse.HedgeTrade("EURUSD", 1, D(1), 0, D(100)),
        abuse.HedgeTrade("EURUSD", -1, D(lots), at, D(-95)),
    )


@pytest.mark.parametrize(
    ("at", "lots", "pairs"), [(120, "0.9", 1), (121, "0.9", 0), (0, "0.89", 0), (-120, "1.1", 1)]
)
def test_hedged_pairs_are_near_in_time_and_size(at: int, lots: str, pairs: int) -> None:
    first, second = _pair(at, lots)
    finding = abuse.cross_account_hedge([first], [second], shared_identity=True)
    assert len(finding.pairs) == pairs


def test_a_hedge_needs_pairs_offset_and_a_shared_identity() -> None:
    spaced = [1000 * n for n in range(3)]
    first = [_pair()[0]._replace(at_s=at) for at in spaced]
    second = [_pair()[1]._replace(at_s=at + 9) for at in spaced]
    assert abuse.cross_account_hedge(first, second, shared_identity=True).flag
    assert not abuse.cross_account_hedge(first, second, shared_identity=False).flag
    assert not abuse.cross_account_hedge(first[:2], second, shared_identity=True).flag
    both_win = [trade._replace(pnl=D(50)) for trade in second]
    assert not abuse.cross_account_hedge(first, both_win, shared_identity=True).flag


def test_a_hedge_trade_is_used_once() -> None:
    first, second = _pair(9)
    finding = abuse.cross_account_hedge([first, first], [second], shared_identity=True)
    assert finding.pairs == ((0, 0),)


def test_churning_is_dear_without_result_and_short() -> None:
    assert abuse.churning(100, 1000, 0, D("0.5")) == (Fraction(1, 10), True)
    assert not abuse.churning(99, 1000, 0, D("0.5"))[1]
    assert not abuse.churning(100, 1000, 1, D("0.5"))[1]
    assert not abuse.churning(100, 1000, 0, D("0.49"))[1]


def test_bonus_abuse() -> None:
    assert abuse.bonus_abuse(100, 50, 3, opposite_account_found=True) == ["bonus_hedged"]
    assert abuse.bonus_abuse(100, D("0.5"), 7, opposite_account_found=False) == [
        "bonus_withdrawn_untraded"
    ]
    assert abuse.bonus_abuse(100, D("0.5"), None, opposite_account_found=False) == []
    assert abuse.bonus_abuse(0, 0, 1, opposite_account_found=True) == []


def test_leaving_before_a_period_ends_and_coming_back_is_a_scheme_the_second_time() -> None:
    day, ends = conduct.DAY_MS, [30 * conduct.DAY_MS, 60 * conduct.DAY_MS]
    away = [(29 * day, 32 * day), (58 * day, 61 * day)]
    assert conduct.calendar_scheme(away, ends) == (2, True)
    assert conduct.calendar_scheme(away[:1], ends) == (1, False)
    assert conduct.calendar_scheme([(20 * day, 32 * day), (58 * day, None)], ends) == (0, False)


def test_an_allocation_recorded_after_its_fill_is_named() -> None:
    blocks = [conduct.Decided("a", 10, 10), conduct.Decided("b", 11, 10)]
    assert conduct.allocated_after_fill(blocks) == ["b"]


def test_a_managers_own_account_that_always_gets_the_better_price() -> None:
    better = [conduct.Compared(1, D("1.1001"), D("1.1000"))] * 7
    same = [conduct.Compared(-1, D("1.1"), D("1.1"))] * 3
    assert conduct.own_account_beats_clients(better + same) == (Fraction(7, 10), True)
    assert not conduct.own_account_beats_clients(better[:6] + same)[1]
    sold_higher = conduct.Compared(-1, D("1.1000"), D("1.1001"))
    assert conduct.own_account_beats_clients([sold_higher])[0] == 1


def test_self_dealing_needs_both_sides_in_one_group() -> None:
    trades = [
        conduct.Dealt("1", "a", "b"),
        conduct.Dealt("2", "a", "c"),
        conduct.Dealt("3", "a", None),
    ]
    assert conduct.self_dealing(trades, [frozenset({"a", "b"})]) == ["1"]


def test_settings_are_settings() -> None:
    strict = replace(CopySettings(), min_matches=13)
    assert not copying.copy_score(MASTER, _copies(5), strict).flag
