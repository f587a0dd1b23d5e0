"""What a manager or an investor does with the timing of things. Times are UTC milliseconds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from apps.core.money import Exact, exact

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class CalendarSettings:
    """How near a period's end a detach, and how soon after a return, is suspicious."""

    before_end_ms: int = 3 * DAY_MS
    return_within_ms: int = 7 * DAY_MS
    min_times: int = 2


def calendar_scheme(
    absences: Sequence[tuple[int, int | None]],
    period_ends_ms: Sequence[int],
    settings: CalendarSettings | None = None,
) -> tuple[int, bool]:
    """(times, flag): left shortly before a fee period's end and came back shortly after.

    absences: (detached at, re-attached at or None).
    """
    rules = settings or CalendarSettings()
    times = sum(
        any(
            end - rules.before_end_ms <= left < end <= back <= end + rules.return_within_ms
            for end in period_ends_ms
        )
        for left, back in absences
        if back is not None
    )
    return times, times >= rules.min_times


class Decided(NamedTuple):
    """A block: when its allocation was recorded and when it first filled."""

    block: str
    recorded_at_ms: int
    first_fill_at_ms: int


def allocated_after_fill(blocks: Sequence[Decided]) -> list[str]:
    """Cherry-picking: blocks whose allocation was recorded later than their first fill."""
    return [block.block for block in blocks if block.recorded_at_ms > block.first_fill_at_ms]


class Compared(NamedTuple):
    """One block's open price for the clients and for the manager's own account, and its side."""

    side: int
    client_price: Exact
    own_price: Exact


@dataclass(frozen=True, slots=True)
class BetterPriceSettings:
    min_blocks: int = 10
    min_better_share: Decimal = Decimal("0.7")


def own_account_beats_clients(
    blocks: Sequence[Compared], settings: BetterPriceSettings | None = None
) -> tuple[Fraction, bool]:
    """(share of blocks, flag) where the manager's own account got the better price."""
    rules = settings or BetterPriceSettings()
    better = sum(
        (exact(block.client_price) - exact(block.own_price)) * block.side > 0 for block in blocks
    )
    share = Fraction(better, len(blocks)) if blocks else Fraction(0)
    flag = len(blocks) >= rules.min_blocks and share >= exact(rules.min_better_share)
    return share, flag


class Dealt(NamedTuple):
    """A trade of an account; counterparty: the account on the other side, where known."""

    id: str
    owner: str
    counterparty: str | None


def self_dealing(trades: Sequence[Dealt], same_person: Sequence[frozenset[str]]) -> list[str]:
    """Ids of trades whose two sides belong to one person or group (sets of accounts)."""
    return [
        trade.id
        for trade in trades
        if trade.counterparty is not None
        and any({trade.owner, trade.counterparty} <= group for group in same_person)
        and trade.owner != trade.counterparty
    ]
