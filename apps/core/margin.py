"""Margin, margin level, hedged volume, tiers and stop-out (math.md §2). Exact; amounts unrounded.

Round what is shown or posted with `money.round_money`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import floor

from apps.core.errors import InputError
from apps.core.money import ZERO, Exact, exact


class HedgedMode(StrEnum):
    """How opposite volume of one symbol counts."""

    MAX = "max"  # the larger leg (default)
    SUM = "sum"
    NET = "net"


def hedged_lots(long_lots: Exact, short_lots: Exact, mode: HedgedMode = HedgedMode.MAX) -> Fraction:
    """Lots that need margin when both sides of one symbol are open."""
    long, short = exact(long_lots), exact(short_lots)
    match HedgedMode(mode):
        case HedgedMode.SUM:
            return long + short
        case HedgedMode.NET:
            return abs(long - short)
        case HedgedMode.MAX:
            return max(long, short)


def forex_margin(lots: Exact, contract: Exact, leverage: Exact, base_to_account: Exact) -> Fraction:
    """lots·contract/leverage·(base → account)."""
    return exact(lots) * exact(contract) / _leverage(leverage) * exact(base_to_account)


def cfd_margin(
    lots: Exact, contract: Exact, price: Exact, leverage: Exact, quote_to_account: Exact = 1
) -> Fraction:
    """lots·contract·price/leverage·(quote → account)."""
    notional = exact(lots) * exact(contract) * exact(price)
    return notional / _leverage(leverage) * exact(quote_to_account)


def effective_leverage(account: Exact, symbol: Exact | None = None) -> Fraction:
    """The smaller of the account's leverage and the symbol's ceiling, where it has one."""
    return _leverage(account) if symbol is None else min(_leverage(account), _leverage(symbol))


@dataclass(frozen=True, slots=True)
class Tier:
    """Leverage for the part of the notional up to `up_to` (account currency; None: no end)."""

    up_to: Exact | None
    leverage: Exact


def tiered_margin(
    notional: Exact, tiers: Sequence[Tier], account_leverage: Exact | None = None
) -> Fraction:
    """Margin of `notional` with marginal tiers: each part by its own tier's leverage.

    The tiers ascend; the last has up_to None. account_leverage, when given, bounds every tier.
    """
    if not tiers or tiers[-1].up_to is not None:
        raise InputError("bad_tiers", "the last tier has no upper end")
    left, lower, margin = exact(notional), ZERO, ZERO
    for tier in tiers:
        leverage = effective_leverage(tier.leverage, account_leverage)
        if tier.up_to is None:
            part = left
        else:
            upper = exact(tier.up_to)
            if upper <= lower:
                raise InputError("bad_tiers", "tiers ascend", up_to=str(tier.up_to))
            part, lower = min(left, upper - lower), upper
        margin += part / leverage
        left -= part
    return margin


def margin_level(equity: Exact, margin: Exact) -> Fraction | None:
    """equity/margin·100 in per cent; None when no margin is used."""
    return exact(equity) / exact(margin) * 100 if margin else None


@dataclass(frozen=True, slots=True)
class Marked:
    """An open position as stop-out sees it: margin and floating P/L in the account's currency."""

    id: str
    margin: Exact
    pnl: Exact
    steps: int = 1


@dataclass(frozen=True, slots=True)
class StopOutStep:
    """One close of the stop-out; level_after in per cent (None: no margin left)."""

    id: str
    steps: int
    level_after: Fraction | None


def stop_out(
    equity: Exact,
    positions: Sequence[Marked],
    threshold_percent: Exact,
    *,
    partial: bool = False,
) -> list[StopOutStep]:
    """What to close, in order, until the level is above the threshold; empty when it already is.

    Equity stays the same: closing only turns floating into balance. Default: whole positions, the
    largest loss first (ties: larger margin, then id). partial: of the position with the largest
    margin only as many steps as are needed.
    """
    left = list(positions)
    margin = sum((exact(position.margin) for position in left), ZERO)
    actions: list[StopOutStep] = []
    while left and _stopped(equity, margin, threshold_percent):
        if partial:
            worst = min(left, key=lambda p: (-exact(p.margin), exact(p.pnl), p.id))
            steps = _needed(equity, margin, worst, threshold_percent)
        else:
            worst = min(left, key=lambda p: (exact(p.pnl), -exact(p.margin), p.id))
            steps = worst.steps
        margin -= exact(worst.margin) * Fraction(steps, worst.steps)
        left.remove(worst)
        actions.append(StopOutStep(worst.id, steps, margin_level(equity, margin)))
    return actions


def _stopped(equity: Exact, margin: Fraction, threshold: Exact) -> bool:
    level = margin_level(equity, margin)
    return level is not None and level <= exact(threshold)


def _needed(equity: Exact, margin: Fraction, position: Marked, threshold: Exact) -> int:
    """The fewest steps of `position` that lift the level above the threshold; at most all."""
    per_step = exact(position.margin) / position.steps
    if per_step <= 0:
        return position.steps
    allowed = exact(equity) * 100 / exact(threshold)
    return min(position.steps, max(1, floor((margin - allowed) / per_step) + 1))


def _leverage(leverage: Exact) -> Fraction:
    value = exact(leverage)
    if value <= 0:
        raise InputError("bad_leverage", "leverage is positive", leverage=str(leverage))
    return value
