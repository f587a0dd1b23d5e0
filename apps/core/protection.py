"""Equity protection: stop levels, daily loss, and the order of actions (math.md §5).

Every trigger is at or below its level. Deposits and withdrawals move a reference by their amount
(`Reference.flowed`), so that money moved is never taken for money lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.money import Exact, exact, round_money


def stopped(equity: Exact, level: Exact) -> bool:
    """Whether equity is at or below the level."""
    return exact(equity) <= exact(level)


def trailing_percent(peak: Exact, percent: Exact, digits: int = 2) -> Decimal:
    """peak·(1 − x)."""
    if not 0 < percent < 100:
        raise InputError("bad_limit", "a trailing stop is between 0 and 100 per cent")
    return round_money(exact(peak) * (100 - exact(percent)) / 100, digits)


def trailing_amount(peak: Exact, amount: Exact, digits: int = 2) -> Decimal:
    """peak − amount."""
    if amount <= 0:
        raise InputError("bad_limit", "a trailing amount is positive")
    return round_money(exact(peak) - exact(amount), digits)


def drawdown_percent(peak: Exact, equity: Exact) -> Fraction:
    """(peak − equity) / peak · 100, at least 0."""
    if peak <= 0:
        return Fraction(0)
    return max((exact(peak) - exact(equity)) / exact(peak) * 100, Fraction(0))


@dataclass(frozen=True, slots=True)
class Reference:
    """What a stop trails: the highest equity (or end-of-day balance) so far, moved by flows."""

    peak: Fraction
    initial: Fraction

    @classmethod
    def started(cls, amount: Exact) -> Reference:
        return cls(exact(amount), exact(amount))

    def seen(self, amount: Exact) -> Reference:
        """A new equity or end-of-day balance; the peak never falls by it."""
        return replace(self, peak=max(self.peak, exact(amount)))

    def flowed(self, amount: Exact) -> Reference:
        """A deposit (positive) or withdrawal (negative) of `amount`."""
        return Reference(self.peak + exact(amount), self.initial + exact(amount))

    def end_of_day_limit(self, amount: Exact, digits: int = 2) -> Decimal:
        """max(initial, highest end-of-day balance) − amount."""
        return round_money(max(self.initial, self.peak) - exact(amount), digits)


def end_of_day_limits(
    initial: Exact, amount: Exact, balances: Iterable[Exact], digits: int = 2
) -> list[Decimal]:
    """The limit at the start, and after every end-of-day balance; it never decreases."""
    reference = Reference.started(initial)
    limits = [reference.end_of_day_limit(amount, digits)]
    for balance in balances:
        reference = reference.seen(balance)
        limits.append(reference.end_of_day_limit(amount, digits))
    return limits


class DailyBase(StrEnum):
    """What the day's loss is measured from, and of what the percentage is."""

    INITIAL = "initial"  # start balance − pct·initial (default)
    START_BALANCE = "start_balance"  # start balance·(1 − pct)
    START_EQUITY = "start_equity"  # start equity·(1 − pct)
    HIGHER = "higher"  # max(start balance, start equity)·(1 − pct)


def daily_limit(
    percent: Exact,
    start_balance: Exact,
    *,
    initial: Exact | None = None,
    start_equity: Exact | None = None,
    base: DailyBase = DailyBase.INITIAL,
    flows: Exact = 0,
    digits: int = 2,
) -> Decimal:
    """The equity at or below which the day is over; flows: the day's deposits − withdrawals."""
    balance, share = exact(start_balance), exact(percent) / 100
    match DailyBase(base):
        case DailyBase.INITIAL:
            limit = balance - share * _given("initial", initial)
        case DailyBase.START_BALANCE:
            limit = balance * (1 - share)
        case DailyBase.START_EQUITY:
            limit = _given("start_equity", start_equity) * (1 - share)
        case DailyBase.HIGHER:
            limit = max(balance, _given("start_equity", start_equity)) * (1 - share)
    return round_money(limit + exact(flows), digits)


def _given(name: str, value: Exact | None) -> Fraction:
    if value is None:
        raise InputError("missing_input", f"this daily limit needs {name}", field=name)
    return exact(value)


def hard_stop_actions(pending: Sequence[str], positions: Sequence[tuple[str, Exact]]) -> list[str]:
    """What a stop does, in order: nothing can reopen while it closes, largest loss first.

    positions: (id, floating P/L). For a master the ids are blocks, each closed at one price; for
    an account its own tickets, after which the blocks are re-based.
    """
    worst_first = sorted(positions, key=lambda position: exact(position[1]))
    return [
        "set_state:close_only",
        *(f"cancel_pending:{order}" for order in pending),
        *(f"close:{identifier}" for identifier, _ in worst_first),
        "verify_flat",
        "set_state:blocked",
        "notify",
        "audit",
    ]
