"""Marking a book to market, exact: floating P&L, equity, used margin, margin caps.

One aggregate per (symbol, member) instead of tickets: Σ steps and Σ steps · open points per side.
Longs are marked at the bid, shorts at the ask. Rounded once per symbol and member.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.commands import QuoteIn, SymbolInfo
from apps.core.book.market import Market, rate
from apps.core.book.state import BookState, Exposure
from apps.core.errors import RejectedError
from apps.core.ints import fits, half_up_div, max_abs, natural_div, scale_half_up
from apps.core.pnl import SymbolTerms, minor_per_point_step

_AT_ONCE = 1 << 16
"""Elements that margin is computed for at a time: what a processor's cache holds."""


def terms(symbol: SymbolInfo) -> SymbolTerms:
    return SymbolTerms(symbol.contract_size, symbol.volume_step, symbol.digits)


def _symbol_floating(
    state: BookState, market: Market, symbol: SymbolInfo, moved: Vec, total: Vec
) -> None:
    """Add one symbol's P&L to `total`; `moved`: Σ steps · points gained. Both in grouped order."""
    for currency, mine in state.grouped.currencies:
        value = value_per_point_step(state, market, symbol, currency)
        if value is not None:
            total[mine] += scale_half_up(moved[mine], value.numerator, value.denominator)


def _points_gained(exposure: Exposure, quote: QuoteIn) -> Vec:
    moved: Vec = exposure.long_steps * quote.bid
    moved -= exposure.long_cost
    moved += exposure.short_cost
    moved -= exposure.short_steps * quote.ask
    return moved


def value_per_point_step(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str
) -> Fraction | None:
    """Minor units of `currency` per point and step; None when nothing prices it."""
    key = (
        symbol.quote_currency,
        currency,
        symbol.contract_size,
        symbol.volume_step,
        symbol.digits,
    )
    if key not in market.values:
        found = rate(state, market, symbol.quote_currency, currency)
        market.values[key] = (
            None
            if found is None
            else minor_per_point_step(terms(symbol), found, state.digits_of[currency])
        )
    return market.values[key]


def floating(state: BookState, market: Market, *, strict: bool = False) -> Vec:
    """Floating P&L of every member over all symbols, int64[members].

    `strict`: for decisions. Raises RejectedError `no_quote` where an open symbol has never been
    quoted to us; an old quote counts (a market that is closed has no other price).
    """
    grouped = state.grouped
    total = np.zeros(state.members.size, dtype=np.int64)
    for name in sorted(state.exposures):
        exposure, quote = state.exposures[name], market.last(name)
        if quote is not None:
            moved = _points_gained(exposure, quote)
            if moved.any():
                ordered = grouped.in_order(moved)
                _symbol_floating(state, market, state.symbols[name], ordered, total)
        elif strict and _is_open(exposure):
            raise RejectedError(
                "no_quote",
                f"There is no quote of {name} yet, which accounts hold: their equity is not known.",
                symbol=name,
            )
    return grouped.in_place(total)


def _is_open(exposure: Exposure) -> bool:
    return bool(exposure.long_steps.any() or exposure.short_steps.any())


def margin_per_step(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str, leverage: int
) -> Fraction | None:
    """Minor units of `currency` that one step takes; None when nothing prices it.

    FX: step · contract / leverage · (margin currency → account). CFD: the same times the price.
    """
    whole = _unlevered(state, market, symbol, currency)
    effective = max(1, min(leverage, symbol.max_leverage))
    return None if whole is None else Fraction(whole.numerator, whole.denominator * effective)


def _unlevered(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str
) -> Fraction | None:
    """What one step takes at a leverage of 1."""
    key = (symbol.name, currency)
    if key not in market.margins:
        market.margins[key] = _priced_unlevered(state, market, symbol, currency)
    return market.margins[key]


def _priced_unlevered(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str
) -> Fraction | None:
    found = rate(state, market, symbol.margin_currency, currency)
    if found is None:
        return None
    top, bottom = found.as_integer_ratio()
    if symbol.margin_mode == "cfd":
        quote = market.last(symbol.name)
        if quote is None:
            return None
        top, bottom = top * (quote.bid + quote.ask), bottom * 2 * 10**symbol.digits
    units = _units_per_step(symbol.volume_step, symbol.contract_size)
    minor = 10 ** state.digits_of[currency]
    return Fraction(units.numerator * top * minor, units.denominator * bottom)


@lru_cache(maxsize=4096)
def _units_per_step(volume_step: Decimal, contract_size: Decimal) -> Fraction:
    return Fraction(volume_step) * Fraction(contract_size)


def used_margin(state: BookState, market: Market, *, leverage: int | None = None) -> Vec:
    """Margin of every member, int64[members]: per symbol the larger leg counts.

    `leverage` in place of each member's own; 1 gives the notional.
    """
    grouped = state.grouped
    used = np.zeros(state.members.size, dtype=np.int64)
    own = grouped.leverage if leverage is None else np.full_like(grouped.leverage, leverage)
    held: list[tuple[SymbolInfo, Vec]] = []
    for name in sorted(state.exposures):
        exposure = state.exposures[name]
        steps = np.maximum(exposure.long_steps, exposure.short_steps)
        if steps.any():
            held.append((state.symbols[name], grouped.in_order(steps)))
    # Few members: many symbols at once, a NumPy call costs as much as a thousand of them.
    rows = max(1, _AT_ONCE // max(1, used.size))
    for first in range(0, len(held), rows):
        part = held[first : first + rows]
        symbols, steps = [symbol for symbol, _ in part], np.stack([row for _, row in part])
        most = vec([symbol.max_leverage for symbol in symbols])[:, None]
        levers = np.maximum(np.minimum(own, most), 1)
        for currency, mine in grouped.currencies:
            wholes = [_unlevered(state, market, symbol, currency) for symbol in symbols]
            used[mine] += _levered(steps[:, mine], wholes, levers[:, mine])
    return grouped.in_place(used)


def _levered(steps: Vec, wholes: list[Fraction | None], levers: Vec) -> Vec:
    """Σ over symbols of steps · whole / lever, each half up; [symbols, members], lever ≥ 1."""
    tops = [0 if whole is None else whole.numerator for whole in wholes]
    bottoms = [1 if whole is None else whole.denominator for whole in wholes]
    if fits(max_abs(steps.reshape(-1)), max(tops), 2) and fits(
        max_abs(levers.reshape(-1)), max(bottoms), 2
    ):
        divisors = levers * vec(bottoms)[:, None]
        doubled = steps * (2 * vec(tops)[:, None])
        doubled += divisors
        total: Vec = (doubled // (2 * divisors)).sum(axis=0)
        return total
    margins = [
        [half_up_div(n * top, x * bottom) for n, x in zip(row.tolist(), own.tolist(), strict=True)]
        for row, own, top, bottom in zip(steps, levers, tops, bottoms, strict=True)
    ]
    exact: Vec = vec(margins).sum(axis=0)
    return exact


def margin_caps(
    state: BookState, market: Market, symbol: SymbolInfo, equity: Vec, level_min_pct: int | Vec
) -> Vec:
    """Most steps each member can still open: floor((equity/(L/100) − used) / margin per step)."""
    grouped = state.grouped
    free = equity * 100
    free //= level_min_pct
    free -= used_margin(state, market)
    free = grouped.in_order(np.maximum(free, 0, out=free))
    levers = np.maximum(np.minimum(grouped.leverage, symbol.max_leverage), 1)
    caps = np.zeros(state.members.size, dtype=np.int64)
    for currency, mine in grouped.currencies:
        whole = _unlevered(state, market, symbol, currency)
        if whole is not None:
            caps[mine] = _affordable(free[mine], whole, levers[mine])
    return grouped.in_place(caps)


def _affordable(free: Vec, whole: Fraction, levers: Vec) -> Vec:
    """floor(free · lever / whole) for free ≥ 0, exact."""
    top, bottom = whole.numerator, whole.denominator
    if fits(max_abs(free), max_abs(levers), bottom) and fits(top):
        return natural_div(free * (levers * bottom if bottom != 1 else levers), top)
    pairs = zip(free.tolist(), levers.tolist(), strict=True)
    return vec([amount * lever * bottom // top for amount, lever in pairs])
