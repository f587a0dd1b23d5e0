"""Floating P&L for people to watch: a frame of a whole book in two integer products.

The book's tickets are folded once per record into vectors per symbol, and marked at the quotes of
that moment; every frame after it moves those by how far the quotes have moved
(`apps.core.marking`). Rounded once per member instead of once per symbol and member, so it may
differ from `marking.floating`, by which everything is decided, by half a minor unit per symbol.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from apps.core import marking as product
from apps.core.book.codec import Vec
from apps.core.book.market import Market
from apps.core.book.marking import floating, value_per_point_step
from apps.core.book.state import BookState
from apps.core.ints import bounds

_ZERO = Fraction(0)


class Folded(NamedTuple):
    """A book at one record, members in the order of `BookState.grouped`, S symbols with a quote.

    net: [2S, members] long steps, then minus the short ones; base: [S, members] points · steps
    gained at the quotes (bid, ask: [S]) of the folding.
    """

    seq: int
    symbols: list[str]
    bid: Vec
    ask: Vec
    net: product.Bounded
    base: product.Bounded


def watched_floating(state: BookState, market: Market, seq: int) -> Vec:
    """Floating P&L of every member, int64[members]; `seq` says which record the state is at."""
    quoted = [name for name in sorted(state.exposures) if market.last(name) is not None]
    folded: Folded | None = state.__dict__.get("_folded")
    if folded is None or folded.seq != seq or folded.symbols != quoted:
        folded = state.__dict__["_folded"] = _fold(state, market, seq, quoted)
    try:
        return _moved(state, market, folded)
    except OverflowError:
        return floating(state, market)


def _quotes(market: Market, symbols: list[str]) -> tuple[Vec, Vec]:
    quotes = [quote for name in symbols if (quote := market.last(name)) is not None]
    bids, asks = [quote.bid for quote in quotes], [quote.ask for quote in quotes]
    return np.array(bids, dtype=np.int64), np.array(asks, dtype=np.int64)


def _fold(state: BookState, market: Market, seq: int, symbols: list[str]) -> Folded:
    grouped = state.grouped
    order = grouped.order
    bid, ask = _quotes(market, symbols)
    net = np.zeros((2 * len(symbols), order.size), dtype=np.int64)
    base = np.zeros((len(symbols), order.size), dtype=np.int64)
    for row, name in enumerate(symbols):
        held = state.exposures[name]
        net[row] = grouped.in_order(held.long_steps)
        net[row + len(symbols)] = -grouped.in_order(held.short_steps)
        gained = held.long_steps * bid[row] - held.long_cost
        gained += held.short_cost - held.short_steps * ask[row]
        base[row] = grouped.in_order(gained)
    return Folded(seq, symbols, bid, ask, _bounded(net), _bounded(base))


def _bounded(values: Vec) -> product.Bounded:
    low, high = bounds(values.reshape(-1))
    return product.Bounded(values, max(high, -low))


def _moved(state: BookState, market: Market, folded: Folded) -> Vec:
    """The folded book at the quotes of now. Raises OverflowError where it might not fit int64."""
    bid, ask = _quotes(market, folded.symbols)
    moves = np.concatenate((bid - folded.bid, ask - folded.ask))
    whole = np.ones(len(folded.symbols), dtype=np.int64)
    result = np.zeros(state.members.size, dtype=np.int64)
    for currency, mine in state.grouped.currencies:
        value = product.weights(
            [
                value_per_point_step(state, market, state.symbols[name], currency) or _ZERO
                for name in folded.symbols
            ]
        )
        both = product.Bounded(np.tile(value.values, 2), value.largest)
        product.remark(result[mine], _part(folded.base, mine), whole, value)
        product.remark(result[mine], _part(folded.net, mine), moves, both)
    return state.grouped.in_place(product.shown(result))


def _part(whole: product.Bounded, members: slice) -> product.Bounded:
    return product.Bounded(whole.values[:, members], whole.largest)
