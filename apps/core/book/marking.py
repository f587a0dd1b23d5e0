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
    symbol_terms = terms(symbol)
    for currency, places in _by_currency(state):
        found = rate(state, market, symbol.quote_currency, currency)
        if found is None:
            continue
        value = minor_per_point_step(symbol_terms, found, state.digits_of[currency])
        result[places] = scale_half_up(moved[places], value.numerator, value.denominator)
    return result


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
    key = (symbol.name, currency, effective)
    if key not in market.margins:
        market.margins[key] = _margin_per_step(state, market, symbol, currency, effective)
    return market.margins[key]


def _margin_per_step(
    state: BookState, market: Market, symbol: SymbolInfo, currency: str, leverage: int
) -> Fraction | None:
    found = rate(state, market, symbol.margin_currency, currency)
    if found is None:
        return None
    units = Fraction(symbol.volume_step) * Fraction(symbol.contract_size)
    if symbol.margin_mode == "cfd":
        quote = market.last(symbol.name)
        if quote is None:
            return None
        units *= Fraction(mid_points(quote)) / 10**symbol.digits
    money: Fraction = units / leverage * Fraction(found) * 10 ** state.digits_of[currency]
    return money


def used_margin(state: BookState, market: Market, *, leverage: int | None = None) -> Vec:
    """Margin of every member, int64[members]: per symbol the larger leg counts.

    `leverage` in place of each member's own; 1 gives the notional.
    """
    used = np.zeros(state.members.size, dtype=np.int64)
    for name in sorted(state.exposures):
        exposure = state.exposures[name]
        steps = np.maximum(exposure.long_steps, exposure.short_steps)
        if not steps.any():
            continue
        for group in state.groups:
            per_step = margin_per_step(
                state, market, state.symbols[name], group.currency, leverage or group.leverage
            )
            if per_step is not None:
                used[group.places] += scale_half_up(
                    steps[group.places], per_step.numerator, per_step.denominator
                )
    return used


def margin_caps(
    state: BookState, market: Market, symbol: SymbolInfo, equity: Vec, level_min_pct: int
) -> Vec:
    """Most steps each member can still open: floor((equity/(L/100) − used) / margin per step)."""
    caps = np.zeros(state.members.size, dtype=np.int64)
    free = np.maximum(equity * 100 // level_min_pct - used_margin(state, market), 0)
    for group in state.groups:
        per_step = margin_per_step(state, market, symbol, group.currency, group.leverage)
        if per_step is None:
            continue
        caps[group.places] = _floor_ratio(free[group.places], per_step)
    return caps


def _floor_ratio(amounts: Vec, divisor: Fraction) -> Vec:
    """floor(amount / divisor) for amounts ≥ 0, exact."""
    top = int(amounts.max()) if amounts.size else 0
    if top * divisor.denominator < 1 << 62 and divisor.numerator < 1 << 62:
        return amounts * divisor.denominator // divisor.numerator
    return np.array(
        [a * divisor.denominator // divisor.numerator for a in amounts.tolist()], dtype=np.int64
    )


def _by_currency(state: BookState) -> list[tuple[str, Vec]]:
    """Members by currency alone, from the groups."""
    found: dict[str, list[Vec]] = {}
    for group in state.groups:
        found.setdefault(group.currency, []).append(group.places)
    return [
        (currency, places[0] if len(places) == 1 else np.concatenate(places))
        for currency, places in found.items()
    ]
