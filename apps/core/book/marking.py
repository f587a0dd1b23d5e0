"""Marking a book to market, exact: floating P&L, equity, used margin, margin caps.

One aggregate per (symbol, member) instead of tickets: Σ steps and Σ steps · open points per side.
Longs are marked at the bid, shorts at the ask. Rounded once per symbol and member.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.commands import SymbolInfo
from apps.core.book.market import Market, mid_points, rate
from apps.core.book.state import BookState, Exposure
from apps.core.errors import RejectedError
from apps.core.ints import scale_half_up
from apps.core.pnl import SymbolTerms, minor_per_point_step


def terms(symbol: SymbolInfo) -> SymbolTerms:
    return SymbolTerms(symbol.contract_size, symbol.volume_step, symbol.digits)


def symbol_floating(state: BookState, market: Market, name: str, exposure: Exposure) -> Vec:
    """Floating P&L of every member in one symbol, int64[members]; 0 where nothing prices it."""
    result = np.zeros(state.members.size, dtype=np.int64)
    quote = market.last(name)
    if quote is None:
        return result
    symbol = state.symbols[name]
    moved = exposure.long_steps * quote.bid - exposure.long_cost
    moved += exposure.short_cost - exposure.short_steps * quote.ask
    if not moved.any():
        return result
    grouped = state.grouped
    moved = moved[grouped.order]
    for currency, mine in grouped.currencies:
        value = value_per_point_step(state, market, symbol, currency)
        if value is not None:
            result[mine] = scale_half_up(moved[mine], value.numerator, value.denominator)
    return grouped.in_place(result)


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
    total = np.zeros(state.members.size, dtype=np.int64)
    for name in sorted(state.exposures):
        exposure = state.exposures[name]
        if strict and market.last(name) is None and _is_open(exposure):
            raise RejectedError(
                "no_quote",
                f"There is no quote of {name} yet, which accounts hold: their equity is not known.",
                symbol=name,
            )
        total += symbol_floating(state, market, name, exposure)
    return total


def _is_open(exposure: Exposure) -> bool:
    return bool(exposure.long_steps.any() or exposure.short_steps.any())


def margin_per_step(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str, leverage: int
) -> Fraction | None:
    """Minor units of `currency` that one step takes; None when nothing prices it.

    FX: step · contract / leverage · (margin currency → account). CFD: the same times the price.
    """
    effective = max(1, min(leverage, symbol.max_leverage))
    key = (symbol.name, currency)
    if key not in market.margins:
        market.margins[key] = _margin_unlevered(state, market, symbol, currency)
    whole = market.margins[key]
    return None if whole is None else Fraction(whole.numerator, whole.denominator * effective)


def _margin_unlevered(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str
) -> Fraction | None:
    """What one step takes at a leverage of 1."""
    found = rate(state, market, symbol.margin_currency, currency)
    if found is None:
        return None
    units = Fraction(symbol.volume_step) * Fraction(symbol.contract_size)
    if symbol.margin_mode == "cfd":
        quote = market.last(symbol.name)
        if quote is None:
            return None
        units *= Fraction(mid_points(quote)) / 10**symbol.digits
    money: Fraction = units * Fraction(found) * 10 ** state.digits_of[currency]
    return money


def used_margin(state: BookState, market: Market, *, leverage: int | None = None) -> Vec:
    """Margin of every member, int64[members]: per symbol the larger leg counts.

    `leverage` in place of each member's own; 1 gives the notional.
    """
    used = np.zeros(state.members.size, dtype=np.int64)
    grouped = state.grouped
    for name in sorted(state.exposures):
        exposure = state.exposures[name]
        steps = np.maximum(exposure.long_steps, exposure.short_steps)
        if not steps.any():
            continue
        steps = steps[grouped.order]
        for group, mine in grouped.groups:
            per_step = margin_per_step(
                state, market, state.symbols[name], group.currency, leverage or group.leverage
            )
            if per_step is not None:
                used[mine] += scale_half_up(steps[mine], per_step.numerator, per_step.denominator)
    return grouped.in_place(used)


def margin_caps(
    state: BookState, market: Market, symbol: SymbolInfo, equity: Vec, level_min_pct: int | Vec
) -> Vec:
    """Most steps each member can still open: floor((equity/(L/100) − used) / margin per step)."""
    caps = np.zeros(state.members.size, dtype=np.int64)
    free = np.maximum(equity * 100 // level_min_pct - used_margin(state, market), 0)
    grouped = state.grouped
    free = free[grouped.order]
    for group, mine in grouped.groups:
        per_step = margin_per_step(state, market, symbol, group.currency, group.leverage)
        if per_step is not None:
            caps[mine] = _floor_ratio(free[mine], per_step)
    return grouped.in_place(caps)


def _floor_ratio(amounts: Vec, divisor: Fraction) -> Vec:
    """floor(amount / divisor) for amounts ≥ 0, exact."""
    top = int(amounts.max()) if amounts.size else 0
    if top * divisor.denominator < 1 << 62 and divisor.numerator < 1 << 62:
        return amounts * divisor.denominator // divisor.numerator
    return np.array(
        [a * divisor.denominator // divisor.numerator for a in amounts.tolist()], dtype=np.int64
    )
