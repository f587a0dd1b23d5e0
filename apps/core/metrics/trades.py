"""Statistics of closed trades on their net P/L (after commission and swap). Exact."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from apps.core.money import ZERO, Exact, exact


@dataclass(frozen=True, slots=True)
class TradeStats:
    """Break-even is not a win; None where there is nothing to divide by. avg_loss is negative."""

    trades: int
    wins: int
    losses: int
    breakeven: int
    net: Fraction
    gross_profit: Fraction
    gross_loss: Fraction
    win_rate: Fraction | None
    win_rate_ex_breakeven: Fraction | None
    profit_factor: Fraction | None
    avg_win: Fraction | None
    avg_loss: Fraction | None
    expectancy: Fraction | None


def trade_stats(net_pnl: Iterable[Exact]) -> TradeStats:
    """Profit factor, win rate (wins / all closed), expectancy (mean net P/L) and the rest."""
    results = [exact(value) for value in net_pnl]
    wins = [value for value in results if value > 0]
    losses = [value for value in results if value < 0]
    profit, loss = sum(wins, ZERO), sum(losses, ZERO)
    return TradeStats(
        len(results),
        len(wins),
        len(losses),
        len(results) - len(wins) - len(losses),
        profit + loss,
        profit,
        loss,
        _ratio(len(wins), len(results)),
        _ratio(len(wins), len(wins) + len(losses)),
        _ratio(profit, -loss),
        _ratio(profit, len(wins)),
        _ratio(loss, len(losses)),
        _ratio(profit + loss, len(results)),
    )


def _ratio(top: Fraction | int, bottom: Fraction | int) -> Fraction | None:
    return Fraction(top) / bottom if bottom else None


def exposure(open_spans_ms: Sequence[tuple[int, int]], start_ms: int, end_ms: int) -> Fraction:
    """Share of [start, end) with at least one position open; overlaps count once."""
    covered, reached = 0, start_ms
    for opened, closed in sorted(open_spans_ms):
        begin, finish = max(opened, reached), min(closed, end_ms)
        if finish > begin:
            covered += finish - begin
            reached = finish
    return Fraction(covered, end_ms - start_ms)
