"""The equity at or below which each watched account (or the master) is stopped. Pure, vectors.

The formulas are those of apps.core.protection (math.md §5), on int64 of minor units, rounded half
up. The strictest limit of all parties is the highest level.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.risk.settings import (
    PARTIES,
    PERCENT_SCALE,
    Party,
    Protection,
    StopReason,
)
from apps.core.book.state import References, RiskState
from apps.core.protection import DailyBase

NO_LEVEL = -(1 << 62)
NO_CAP = -1
_WHOLE = 100 * PERCENT_SCALE
REASONS: tuple[StopReason, ...] = (
    "equity_stop",
    "trailing_percent",
    "trailing_amount",
    "end_of_day",
    "daily_loss",
)


class Row(NamedTuple):
    """One party's limits of one kind: int64[n], −1 where there is none."""

    party: int
    reason: int
    values: Vec
    base: DailyBase = DailyBase.INITIAL


class Levels(NamedTuple):
    """int64[n] each: the level, which limit it is (REASONS), whose (PARTIES), made of what."""

    level: Vec
    reason: Vec
    party: Vec
    reference: Vec

    def told(self, at: int) -> tuple[int, StopReason, Party, int]:
        return (
            int(self.level[at]),
            REASONS[int(self.reason[at])],
            PARTIES[int(self.party[at])],
            int(self.reference[at]),
        )


def account_levels(risk: RiskState, peaks: Vec) -> Levels:
    """Of `risk.references`, with these highest equities. Only trailing limits read `peaks`."""
    fixed: Levels | None = risk.__dict__.get("_fixed")
    rows = account_rows(risk)
    if fixed is None:
        still = [row for row in rows if not _trails(row)]
        fixed = risk.__dict__["_fixed"] = _strictest(risk.references, risk.references.peak, still)
    moving = [row for row in rows if _trails(row)]
    return _strictest(risk.references, peaks, moving, fixed) if moving else fixed


def account_rows(risk: RiskState) -> list[Row]:
    """The limits of the watched accounts as vectors, kept until limits or accounts change."""
    kept: list[Row] | None = risk.__dict__.get("_rows")
    if kept is None:
        ids = risk.references.account_ids.tolist()
        kept = risk.__dict__["_rows"] = [*_own_rows(risk, ids), *_whole_rows(risk.every, len(ids))]
    return kept


def master_levels(risk: RiskState, peaks: Vec) -> Levels:
    """Of the master's sum: vectors of one."""
    return _strictest(risk.master_reference, peaks, list(_whole_rows(risk.master, 1)))


def begun_levels(risk: RiskState, references: References, account_id: int | None) -> Levels:
    """Of one account (None: the master) if its references were `references` (vectors of one)."""
    if account_id is None:
        rows = list(_whole_rows(risk.master, 1))
    else:
        rows = [*_own_rows(risk, [account_id]), *_whole_rows(risk.every, 1)]
    return _strictest(references, references.peak, rows)


def _trails(row: Row) -> bool:
    return REASONS[row.reason] in ("trailing_percent", "trailing_amount")


def _own_rows(risk: RiskState, ids: list[int]) -> Iterator[Row]:
    """One pass over the accounts that have limits of their own."""
    found: dict[tuple[int, int, DailyBase], Vec] = {}
    place = {account_id: at for at, account_id in enumerate(ids)}
    for account_id, sets in risk.own.items():
        at = place.get(account_id)
        if at is None:
            continue
        for party, protection in sets.items():
            for reason, value, base in _values(protection):
                key = PARTIES.index(party), reason, base
                if key not in found:
                    found[key] = np.full(len(ids), -1, dtype=np.int64)
                found[key][at] = value
    for (party_number, reason, base), values in found.items():
        yield Row(party_number, reason, values, base)


def _whole_rows(sets: dict[Party, Protection], size: int) -> Iterator[Row]:
    """Limits that are the same for all."""
    for party, protection in sets.items():
        for reason, value, base in _values(protection):
            values = np.full(size, value, dtype=np.int64)
            yield Row(PARTIES.index(party), reason, values, base)


def _values(protection: Protection) -> Iterator[tuple[int, int, DailyBase]]:
    """(reason, value, base) of the limits that are set; percentages in 1/PERCENT_SCALE."""
    told: tuple[tuple[int, int | Decimal | None, int], ...] = (
        (0, protection.stop_equity_minor, 1),
        (1, protection.trailing_percent, PERCENT_SCALE),
        (2, protection.trailing_minor, 1),
        (3, protection.end_of_day_minor, 1),
        (4, protection.daily_loss_percent, PERCENT_SCALE),
    )
    for reason, value, scale in told:
        if value is not None:
            base = protection.daily_base if reason == 4 else DailyBase.INITIAL
            yield reason, int(value * scale), base


def _strictest(
    references: References, peaks: Vec, rows: Iterable[Row], before: Levels | None = None
) -> Levels:
    size = references.size
    if before is None:
        none = np.zeros(size, dtype=np.int64)
        before = Levels(np.full(size, NO_LEVEL, dtype=np.int64), none, none, none)
    level, reason, party, reference = (vector.copy() for vector in before)
    for row in rows:
        here, made_of = _level(references, peaks, row)
        stricter = (row.values >= 0) & (here > level)
        level[stricter] = here[stricter]
        reference[stricter] = made_of[stricter]
        reason[stricter], party[stricter] = row.reason, row.party
    return Levels(level, reason, party, reference)


def _level(references: References, peaks: Vec, row: Row) -> tuple[Vec, Vec]:
    """(level, what it is made of) of one kind of limit."""
    match REASONS[row.reason]:
        case "equity_stop":
            return row.values, row.values
        case "trailing_percent":
            return _share(peaks, _WHOLE - row.values), peaks
        case "trailing_amount":
            return peaks - row.values, peaks
        case "end_of_day":
            best = np.maximum(references.initial, references.best_balance)
            return best - row.values, best
        case _:
            return _daily(references, row)


def _daily(references: References, row: Row) -> tuple[Vec, Vec]:
    """Flows of the day have moved the references already."""
    match row.base:
        case DailyBase.INITIAL:
            start, of = references.day_balance, references.initial
        case DailyBase.START_BALANCE:
            start = of = references.day_balance
        case DailyBase.START_EQUITY:
            start = of = references.day_equity
        case _:
            start = of = np.maximum(references.day_balance, references.day_equity)
    return start + _share(of, -row.values), start


def _share(amounts: Vec, parts: Vec) -> Vec:
    """amounts · parts / _WHOLE, half up, exact in int64: the whole part is taken apart first."""
    whole, rest = amounts // _WHOLE, amounts % _WHOLE
    share: Vec = whole * parts + (rest * parts + _WHOLE // 2) // _WHOLE
    return share
