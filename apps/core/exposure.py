"""Exposure limits of one account: the allowed volume is the smallest of what the limits leave."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from apps.core.lots import steps_down
from apps.core.money import Exact, exact


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """None: no such limit. symbols: the allow-list (None: every symbol)."""

    max_leverage: Exact | None = None
    max_open_lots: Exact | None = None
    max_symbol_lots: Exact | None = None
    max_lots_per_trade: Exact | None = None
    min_margin_level_percent: Exact | None = None
    symbols: Collection[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """The account now. Money in its own currency."""

    equity: Exact
    open_notional: Exact = 0
    open_lots: Exact = 0
    open_symbol_lots: Exact = 0
    used_margin: Exact = 0


@dataclass(frozen=True, slots=True)
class Allowed:
    """steps allowed; binding: the limit that decided ('' when the request stands); limits: all."""

    steps: int
    binding: str
    limits: dict[str, int] = field(default_factory=dict)


def allowed(
    symbol: str,
    requested_steps: int,
    step: Exact,
    limits: Limits,
    now: Exposure,
    *,
    notional_per_lot: Exact = 0,
    margin_per_lot: Exact = 0,
) -> Allowed:
    """Rounded down to steps; of equal limits the first in the order of `Limits` binds."""
    rooms = {
        name: max(steps_down(lots, step), 0)
        for name, lots in _rooms(limits, now, notional_per_lot, margin_per_lot).items()
    }
    if limits.symbols is not None and symbol not in limits.symbols:
        return Allowed(0, "whitelist", rooms)
    tightest = min(rooms, key=lambda name: rooms[name], default="")
    if not tightest or rooms[tightest] >= requested_steps:
        return Allowed(requested_steps, "", rooms)
    return Allowed(rooms[tightest], tightest, rooms)


def _rooms(
    limits: Limits, now: Exposure, notional_per_lot: Exact, margin_per_lot: Exact
) -> dict[str, Exact]:
    """Lots that each limit leaves."""
    rooms: dict[str, Exact] = {}
    equity = exact(now.equity)
    if limits.max_leverage is not None and notional_per_lot > 0:
        room = equity * exact(limits.max_leverage) - exact(now.open_notional)
        rooms["max_leverage"] = room / exact(notional_per_lot)
    if limits.max_open_lots is not None:
        rooms["max_open_lots"] = exact(limits.max_open_lots) - exact(now.open_lots)
    if limits.max_symbol_lots is not None:
        rooms["max_symbol_lots"] = exact(limits.max_symbol_lots) - exact(now.open_symbol_lots)
    if limits.max_lots_per_trade is not None:
        rooms["max_lots_per_trade"] = limits.max_lots_per_trade
    if limits.min_margin_level_percent is not None and margin_per_lot > 0:
        room = equity / (exact(limits.min_margin_level_percent) / 100) - exact(now.used_margin)
        rooms["min_margin_level"] = room / exact(margin_per_lot)
    return rooms
