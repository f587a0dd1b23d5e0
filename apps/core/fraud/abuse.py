"""Abuse of quotes, of linked accounts, of commissions and of bonuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from apps.core.money import ZERO, Exact, exact


class GapTrade(NamedTuple):
    """A closed trade: age of the quote it opened on, profit (account currency), how long held."""

    id: str
    gap_at_open_s: Exact
    profit: Exact
    duration_s: Exact


def latency_arbitrage(
    trades: Sequence[GapTrade], *, gap_s: Exact, max_duration_s: Exact, min_profit: Exact
) -> list[str]:
    """Ids opened in a quote gap ≥ G, closed within D, with profit ≥ P. All bounds inclusive."""
    return [
        trade.id
        for trade in trades
        if exact(trade.gap_at_open_s) >= exact(gap_s)
        and exact(trade.duration_s) <= exact(max_duration_s)
        and exact(trade.profit) >= exact(min_profit)
    ]


class HedgeTrade(NamedTuple):
    """A trade of one of two accounts; side +1 or −1, time in seconds, its P/L."""

    symbol: str
    side: int
    lots: Exact
    at_s: Exact
    pnl: Exact = 0


@dataclass(frozen=True, slots=True)
class HedgeSettings:
    window_s: int = 120
    size_tolerance: Decimal = Decimal("0.10")
    min_pairs: int = 3
    min_offset: Decimal = Decimal("0.9")


@dataclass(frozen=True, slots=True)
class HedgeFinding:
    """pairs: (index in A, index in B); offset: 1 − |net|/gross of the paired P/L."""

    pairs: tuple[tuple[int, int], ...]
    offset: Fraction
    flag: bool


def cross_account_hedge(
    first: Sequence[HedgeTrade],
    second: Sequence[HedgeTrade],
    *,
    shared_identity: bool,
    settings: HedgeSettings | None = None,
) -> HedgeFinding:
    """Opposite trades of one symbol, at most W apart, whose sizes differ by at most the tolerance.

    The size difference is taken of the larger trade; each trade of B is used once, the nearest in
    time first.
    """
    rules = settings or HedgeSettings()
    used: set[int] = set()
    pairs: list[tuple[int, int]] = []
    for index, trade in enumerate(first):
        fitting = [
            (abs(exact(other.at_s) - exact(trade.at_s)), position)
            for position, other in enumerate(second)
            if position not in used and _opposite(trade, other, rules)
        ]
        if fitting:
            nearest = min(fitting)[1]
            used.add(nearest)
            pairs.append((index, nearest))
    results = [exact(first[a].pnl) for a, _ in pairs] + [exact(second[b].pnl) for _, b in pairs]
    gross = sum((abs(result) for result in results), ZERO)
    offset = 1 - abs(sum(results, ZERO)) / gross if gross else ZERO
    flag = shared_identity and len(pairs) >= rules.min_pairs and offset >= exact(rules.min_offset)
    return HedgeFinding(tuple(pairs), offset, flag)


def _opposite(trade: HedgeTrade, other: HedgeTrade, rules: HedgeSettings) -> bool:
    larger = max(exact(trade.lots), exact(other.lots))
    return (
        trade.symbol == other.symbol
        and trade.side == -other.side
        and abs(exact(trade.at_s) - exact(other.at_s)) <= rules.window_s
        and abs(exact(trade.lots) - exact(other.lots)) <= larger * exact(rules.size_tolerance)
    )


@dataclass(frozen=True, slots=True)
class ChurnSettings:
    """Per month."""

    min_cost_to_equity: Decimal = Decimal("0.10")
    min_short_share: Decimal = Decimal("0.5")


def churning(
    costs: Exact,
    average_equity: Exact,
    pnl_before_costs: Exact,
    short_held_share: Exact,
    settings: ChurnSettings | None = None,
) -> tuple[Fraction, bool]:
    """(cost / average equity, flag): dear, without result, and mostly held under a minute."""
    rules = settings or ChurnSettings()
    ratio = exact(costs) / exact(average_equity) if average_equity > 0 else ZERO
    flag = (
        ratio >= exact(rules.min_cost_to_equity)
        and pnl_before_costs <= 0
        and exact(short_held_share) >= exact(rules.min_short_share)
    )
    return ratio, flag


@dataclass(frozen=True, slots=True)
class BonusSettings:
    min_lots_per_bonus_unit: Decimal = Decimal("0.01")
    max_days_to_withdrawal: int = 7


def bonus_abuse(
    bonus: Exact,
    traded_lots: Exact,
    days_to_withdrawal: int | None,
    *,
    opposite_account_found: bool,
    settings: BonusSettings | None = None,
) -> list[str]:
    """Reasons: hedged against a linked account; withdrawn soon with next to no volume traded."""
    rules = settings or BonusSettings()
    reasons = []
    if bonus > 0 and opposite_account_found:
        reasons.append("bonus_hedged")
    early = days_to_withdrawal is not None and days_to_withdrawal <= rules.max_days_to_withdrawal
    needed = exact(bonus) * exact(rules.min_lots_per_bonus_unit)
    if bonus > 0 and early and exact(traded_lots) < needed:
        reasons.append("bonus_withdrawn_untraded")
    return reasons
