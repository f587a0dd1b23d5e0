"""Performance figures, pure: from imported trades, and from a book's accounts taken together.

Floats: analytics for show, nothing is posted from them. Formulas: math.md §4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from apps.core.errors import InputError
from apps.core.metrics.gain import Event, Happened, gain
from apps.core.metrics.ratios import max_drawdown
from apps.core.metrics.trades import trade_stats

Floats = npt.NDArray[np.float64]
SPARKLINE_POINTS = 48


@dataclass(frozen=True, slots=True)
class Performance:
    """Fractions (0.1 = 10 %). `max_drawdown` ≤ 0 on the time-weighted index; `sparkline` is that
    index, first value 1. `profit_factor` and `win_rate` are None where undefined."""

    gain: float
    max_drawdown: float
    profit_factor: float | None
    win_rate: float | None
    trades: int
    since: datetime | None
    until: datetime | None
    sparkline: list[float]


@dataclass(frozen=True, slots=True)
class PastTrade:
    """A closed trade of a record; `net` after commission, taxes and swap."""

    ticket: int
    opened_at: datetime
    closed_at: datetime
    net: Decimal


@dataclass(frozen=True, slots=True)
class PastFlow:
    at: datetime
    amount: Decimal


@dataclass(frozen=True, slots=True)
class PastRecord:
    """One account's history: opening balance, trades, deposits (+) and withdrawals (−)."""

    opening_balance: Decimal
    trades: Sequence[PastTrade]
    flows: Sequence[PastFlow]


def of_records(records: Sequence[PastRecord]) -> Performance | None:
    """Imported history: records in order of time, linked; None when no trade was closed.

    gain: Π(1 + P/balance at open) − 1 over trades; drawdown: on the balance's index, linked at
    every deposit and withdrawal.
    """
    trades = [trade for record in records for trade in record.trades]
    if not trades:
        return None
    growth = 1.0
    returns: list[float] = []
    for record in records:
        growth *= 1 + float(gain(_events(record)))
        returns += _balance_returns(record)
    stats = trade_stats(trade.net for trade in trades)
    return Performance(
        gain=growth - 1,
        max_drawdown=max_drawdown(returns),
        profit_factor=_optional(stats.profit_factor),
        win_rate=_optional(stats.win_rate),
        trades=len(trades),
        since=min(trade.opened_at for trade in trades),
        until=max(trade.closed_at for trade in trades),
        sparkline=sparkline(returns),
    )


def _events(record: PastRecord) -> list[Event]:
    """In order of time; at one moment money moves first, then trades close, then open."""
    timed: list[tuple[datetime, int, int, Event]] = []
    for number, flow in enumerate(record.flows):
        kind = Happened.DEPOSIT if flow.amount >= 0 else Happened.WITHDRAWAL
        timed.append((flow.at, 0, number, Event(kind, abs(flow.amount))))
    for trade in record.trades:
        name = str(trade.ticket)
        instant = trade.opened_at == trade.closed_at
        timed.append((trade.closed_at, 1, trade.ticket, Event(Happened.CLOSE, trade.net, name)))
        if not instant:
            timed.append((trade.opened_at, 2, trade.ticket, Event(Happened.OPEN, 0, name)))
    timed.sort(key=lambda entry: entry[:3])
    return [Event(Happened.DEPOSIT, record.opening_balance), *(entry[3] for entry in timed)]


def _balance_returns(record: PastRecord) -> list[float]:
    """Return of each close on the balance just before it: TWR links at every flow by itself."""
    balance = record.opening_balance
    returns = []
    for event in _events(record)[1:]:
        if event.kind is Happened.DEPOSIT:
            balance += Decimal(event.amount)  # type: ignore[arg-type]
        elif event.kind is Happened.WITHDRAWAL:
            balance -= Decimal(event.amount)  # type: ignore[arg-type]
        elif event.kind is Happened.CLOSE:
            if balance <= 0:
                raise InputError("no_start_equity", "a trade closed on no balance")
            returns.append(float(event.amount / balance))  # type: ignore[operator]
            balance += Decimal(event.amount)  # type: ignore[arg-type]
    return returns


def composite_returns(equity: Floats, inflow: Floats, outflow: Floats) -> Floats:
    """Period returns of accounts taken together, one currency: each float64[accounts, periods].

    `equity` at the end of each period (0 when not in the book), money in and out (≥ 0) during it,
    joining and leaving among them. Inflows count from the period's start, outflows until its end:
    r = (ΣE + Σout) / (ΣE before + Σin) − 1; a period without capital has 0.
    """
    value = equity.sum(axis=0)
    before = np.concatenate([[0.0], value[:-1]])
    base = before + inflow.sum(axis=0)
    end = value + outflow.sum(axis=0)
    safe = np.where(base > 0, base, 1.0)
    return np.where(base > 0, np.maximum(end, 0.0) / safe - 1, 0.0)


def of_book(
    returns: Floats,
    block_results: Sequence[float],
    since: datetime | None,
    until: datetime | None,
) -> Performance:
    """Live history: time-weighted gain net of fees; a trade is a closed block."""
    stats = trade_stats(Decimal(repr(result)) for result in block_results)
    return Performance(
        gain=float(np.prod(1 + returns)) - 1,
        max_drawdown=max_drawdown(returns),
        profit_factor=_optional(stats.profit_factor),
        win_rate=_optional(stats.win_rate),
        trades=stats.trades,
        since=since,
        until=until,
        sparkline=sparkline(returns),
    )


def sparkline(returns: Sequence[float] | Floats, points: int = SPARKLINE_POINTS) -> list[float]:
    """The index 1, …, thinned to at most `points` values; the first and the last stay."""
    index = np.concatenate([[1.0], np.cumprod(1 + np.asarray(returns, dtype=np.float64))])
    if index.size > points:
        index = index[np.linspace(0, index.size - 1, points).round().astype(np.int64)]
    return [round(float(value), 6) for value in index]


def _optional(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
