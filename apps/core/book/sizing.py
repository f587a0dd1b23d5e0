"""What the methods read and what bounds each member: vectors over all members of a book. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np

from apps.core.allocation import Method, Reason, Rule
from apps.core.allocation.caps import leverage_room, tightest
from apps.core.book.codec import Vec
from apps.core.book.commands import SymbolInfo
from apps.core.book.market import Market, rate
from apps.core.book.marking import margin_caps, margin_per_step, terms, used_margin
from apps.core.book.risk.bounds import least_margin_levels, leverage_bounds
from apps.core.book.state import (
    ACTIVE,
    BLOCKED,
    CLOSE_ONLY,
    GOING,
    PAUSED,
    WAITING,
    BookState,
)
from apps.core.book.terms import LOT_SCALE, PARAMETER_SCALE, LinkTerms, term_vector
from apps.core.errors import RejectedError
from apps.core.ints import half_up_div
from apps.core.pnl import minor_per_point_step

COST_SCALE = 10**6
_PERCENT = (
    Method.PERCENT,
    Method.EQUITY_PERCENT,
    Method.EQUITY_PERCENT_SHARE,
    Method.RISK_PERCENT,
)
_RATIO = (Method.RATIO, Method.RATIO_EQUITY, Method.RATIO_BALANCE)
_LOTS = (Method.LOT_FIXED, Method.LOT_WEIGHTS)


@dataclass(frozen=True, slots=True)
class Limits:
    """int64[members]: the most steps of this order, and the Reason that says which limit it is.

    `exclusion`: Reason for who takes no part, 0 for the others. `is_plain`: margin and the
    server's largest order alone bound it.
    """

    cap_steps: Vec
    cap_reasons: Vec
    exclusion: Vec
    is_plain: bool


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the rule's method reads of each member, beside money."""

    parameter: Vec | None = None
    preset_steps: Vec | None = None
    unit_cost: Vec | None = None
    master_money: int | None = None


def limits(
    state: BookState, market: Market, symbol: SymbolInfo, equity: Vec, level_min_pct: int
) -> Limits:
    """Margin, the server's largest order, and every limit in the links' terms."""
    levels = least_margin_levels(state, level_min_pct)
    margin = margin_caps(state, market, symbol, equity, levels)
    exclusion = _exclusion(state)
    bounds: list[tuple[Vec | int, Reason]] = [
        (symbol.max_steps, Reason.CAP_ORDER),
        (margin, Reason.CAP_MARGIN),
    ]
    own = _own_bounds(state, market, symbol, equity)
    cap, reasons = tightest(state.members.size, bounds + own)
    not_allowed = _not_allowed(state, symbol.name)
    if not_allowed.any():
        exclusion[not_allowed & (exclusion == 0)] = int(Reason.SYMBOL_NOT_ALLOWED)
    return Limits(cap, reasons.astype(np.int64), exclusion, is_plain=not own)


def _exclusion(state: BookState) -> Vec:
    status = state.members.status
    if not status.any():
        return np.zeros(status.size, dtype=np.int64)
    exclusion = np.where(status == ACTIVE, 0, int(Reason.DETACHED))
    exclusion[np.isin(status, GOING)] = int(Reason.CLOSE_ONLY)
    exclusion[status == WAITING] = int(Reason.PAUSED)
    exclusion[status == CLOSE_ONLY] = int(Reason.CLOSE_ONLY)
    exclusion[status == PAUSED] = int(Reason.PAUSED)
    exclusion[status == BLOCKED] = int(Reason.BLOCKED)
    return exclusion


def _own_bounds(
    state: BookState, market: Market, symbol: SymbolInfo, equity: Vec
) -> list[tuple[Vec | int, Reason]]:
    """Limits that somebody's terms set; −1 in a vector of terms is no limit."""
    protected = leverage_bounds(state)
    if protected is None and not state.terms and state.defaults == LinkTerms():
        return []
    step = int(symbol.volume_step * LOT_SCALE)
    found: list[tuple[Vec | int, Reason]] = []
    order = _vector(state, "max_order_lots", lambda t: t.max_order_lots, LOT_SCALE)
    if (order >= 0).any():
        found.append((_room(order, np.zeros_like(order), step), Reason.CAP_ACCOUNT))
    most = _vector(state, "max_open_lots", lambda t: t.max_open_lots, LOT_SCALE)
    if (most >= 0).any():
        held = np.zeros_like(most)
        for name in sorted(state.symbols):
            held += _held(state, name) * int(state.symbols[name].volume_step * LOT_SCALE)
        found.append((_room(most, held, step), Reason.CAP_OPEN_LOTS))
    name = symbol.name
    here = _vector(state, f"symbol:{name}", lambda t: t.max_symbol_lots.get(name), LOT_SCALE)
    if (here >= 0).any():
        found.append((_room(here, _held(state, name) * step, step), Reason.CAP_SYMBOL))
    lever = _vector(state, "max_leverage", lambda t: t.max_leverage, LOT_SCALE)
    if protected is not None:
        lever = _stricter(lever, protected)
    if (lever >= 0).any():
        found.append((_leverage_caps(state, market, symbol, equity, lever), Reason.CAP_LEVERAGE))
    return found


def _stricter(one: Vec, other: Vec) -> Vec:
    """The lower of two bounds, −1 being none."""
    lower: Vec = np.where(one < 0, other, np.where(other < 0, one, np.minimum(one, other)))
    return lower


def _room(most: Vec, held: Vec, step: int) -> Vec:
    """Steps left below `most` (10^-8 lots); the largest number where there is no limit."""
    room: Vec = np.where(most < 0, (1 << 62) - 1, np.maximum(most - held, 0) // step)
    return room


def _held(state: BookState, symbol: str) -> Vec:
    """Steps per member in a symbol: open, long and short, and on their way to be opened."""
    held = np.zeros(state.members.size, dtype=np.int64)
    exposure = state.exposures.get(symbol)
    if exposure is not None:
        held += exposure.long_steps + exposure.short_steps
    for block in state.blocks.values():
        if block.symbol != symbol:
            continue
        if block.status == "sent":
            np.add.at(held, block.members, block.target_steps)
        elif block.legs is not None:
            np.add.at(held, block.members, np.where(block.legs.on_way, block.target_steps, 0))
    return held


def _leverage_caps(
    state: BookState, market: Market, symbol: SymbolInfo, equity: Vec, lever: Vec
) -> Vec:
    """Notional of everything open, plus this order's, stays within equity · max leverage."""
    caps = np.full(state.members.size, (1 << 62) - 1, dtype=np.int64)
    notional = used_margin(state, market, leverage=1)
    for group in state.groups:
        per_step = margin_per_step(state, market, symbol, group.currency, 1)
        for most in np.unique(lever[group.places]).tolist():
            places = group.places[lever[group.places] == most]
            if most < 0:
                continue
            if per_step is None:
                caps[places] = 0
                continue
            caps[places] = leverage_room(
                np.maximum(equity[places], 0),
                notional[places],
                per_step.numerator,
                Decimal(most) / LOT_SCALE,
                per_step.denominator,
            )
    return caps


def _not_allowed(state: BookState, symbol: str) -> Vec:
    """bool[members]: whose list of symbols does not have this one."""

    def is_allowed(terms: LinkTerms) -> Decimal | None:
        return None if terms.symbols is None else Decimal(int(symbol in terms.symbols))

    mask: Vec = _vector(state, f"allowed:{symbol}", is_allowed, 1) == 0
    return mask


def sizes(
    state: BookState,
    market: Market,
    symbol: SymbolInfo,
    rule: Rule,
    *,
    side: str,
    entry_points: int,
    sl_points: int | None,
) -> Sizes:
    """What `rule.method` reads. Raises RejectedError `stop_loss_required`, `rate_missing`,
    `master_money_unknown`, `method_not_available`."""
    method = rule.method
    if method is Method.CUSTOM:
        raise RejectedError("method_not_available", "This book runs no custom rules.")
    parameter = None
    if method in _PERCENT or method in _RATIO:
        parameter = _vector(state, "parameter", lambda t: t.parameter, PARAMETER_SCALE)
        absent = PARAMETER_SCALE if method in _RATIO else 0
        is_told = method in _PERCENT or bool((parameter >= 0).any())
        parameter = np.where(parameter < 0, absent, parameter) if is_told else None
    if method in _LOTS:
        lots = _vector(state, "lots", lambda t: t.lots, LOT_SCALE)
        step = int(symbol.volume_step * LOT_SCALE)
        return Sizes(preset_steps=np.maximum(lots, 0) // step)
    if method in (Method.RATIO_EQUITY, Method.RATIO_BALANCE):
        return Sizes(parameter=parameter, master_money=_master_money(method, market))
    if method is Method.EQUITY_PERCENT:
        return Sizes(parameter=parameter, unit_cost=_margin_costs(state, market, symbol))
    if method is Method.RISK_PERCENT:
        cost = _risk_cost(state, market, symbol, side, entry_points, sl_points)
        return Sizes(
            parameter=parameter, unit_cost=np.full(state.members.size, cost, dtype=np.int64)
        )
    return Sizes(parameter=parameter)


def _master_money(method: Method, market: Market) -> int:
    money, master = 0, market.master()
    if master is not None:
        money = master.equity_minor if method is Method.RATIO_EQUITY else master.balance_minor
    if money <= 0:
        raise RejectedError(
            "master_money_unknown",
            "A ratio to the master's money needs a master account with positive money on its"
            " trading server.",
        )
    return money


def _margin_costs(state: BookState, market: Market, symbol: SymbolInfo) -> Vec:
    """Margin of one step at each member's leverage, in the book's currency · COST_SCALE."""
    costs = np.ones(state.members.size, dtype=np.int64)
    for group in state.groups:
        per_step = margin_per_step(state, market, symbol, state.currency, group.leverage)
        if per_step is None:
            raise _rate_missing(symbol.margin_currency, state.currency)
        costs[group.places] = _scaled(per_step)
    return costs


def _risk_cost(
    state: BookState,
    market: Market,
    symbol: SymbolInfo,
    side: str,
    entry_points: int,
    sl_points: int | None,
) -> int:
    """What one step loses at the stop, in the book's currency · COST_SCALE."""
    if sl_points is None:
        raise RejectedError("stop_loss_required", "Sizing by risk needs a stop loss.")
    distance = (entry_points - sl_points) * (1 if side == "buy" else -1)
    if distance <= 0:
        raise RejectedError(
            "stop_loss_wrong_side", "The stop loss is not on the losing side of the entry price."
        )
    found = rate(state, market, symbol.quote_currency, state.currency)
    if found is None:
        raise _rate_missing(symbol.quote_currency, state.currency)
    return _scaled(minor_per_point_step(terms(symbol), found, state.currency_digits) * distance)


def _rate_missing(base: str, quote: str) -> RejectedError:
    return RejectedError("rate_missing", f"Nothing converts {base} to {quote}.")


def _scaled(cost: Fraction) -> int:
    scaled = cost * COST_SCALE
    return max(1, half_up_div(scaled.numerator, scaled.denominator))


def _vector(
    state: BookState, key: str, read: Callable[[LinkTerms], Decimal | None], scale: int
) -> Vec:
    """A vector of terms, kept until terms or members change."""
    kept: dict[str, Vec] = state.__dict__.setdefault("_terms", {})
    if key not in kept or kept[key].size != state.members.size:
        kept[key] = term_vector(
            state.members.account_ids.tolist(), state.terms, state.defaults, read, scale
        )
    return kept[key]
