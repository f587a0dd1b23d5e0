"""Seeing that a limit is reached: quickly for every marking, exactly for a decision. Pure.

`Watch` is the engine's memory: highest equities between two records, and who is at a limit. It
decides nothing: `reach_limits` looks again, exactly, at the quotes that its record holds.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.book.commands import Heights, ReachLimits, SeePeaks, StartDay
from apps.core.book.events import DayStarted, Event, PeaksSeen, StopTriggered
from apps.core.book.market import Market
from apps.core.book.placing import Decided
from apps.core.book.risk.levels import Levels, account_levels, master_levels
from apps.core.book.risk.worth import equity, master_sum
from apps.core.book.state import ACTIVE, CLOSE_ONLY, PAUSED, BookState, References
from apps.core.errors import ConflictError

MOST_AT_ONCE = 500
"""Accounts stopped by one record; the others follow in the next."""
_PEAK_PART = 1_000
"""A peak is recorded when it rose by one part in this many: what a restart may forget."""


class Watch:
    """The watched accounts of a book as of one record, and the master as account 0."""

    def __init__(self, state: BookState, before: Watch | None = None) -> None:
        risk = state.risk
        accounts, master = risk.references, risk.master_reference
        self.peaks = accounts.peak.copy()
        self.master_peaks = master.peak.copy()
        self._since, self._initial = accounts.since.copy(), accounts.initial.copy()
        self._account_ids = accounts.account_ids
        self._master_since, self._master_initial = master.since.copy(), master.initial.copy()
        if before is not None:
            self._remember(accounts, master, before)
        self._places = state.places(accounts.account_ids) if accounts.size else vec()
        self._active = _can_stop(state, accounts.account_ids, self._places)
        self._levels = account_levels(risk, self.peaks)
        self._master_active = bool(master.size) and risk.master_stop is None

    def _remember(self, accounts: References, master: References, before: Watch) -> None:
        """Heights of the time before this record, moved by what moved the references since."""
        old = References(before._account_ids).at(accounts.account_ids)
        same = old >= 0
        same[same] = before._since[old[same]] == accounts.since[same]
        above = before.peaks[old[same]] - before._initial[old[same]]
        self.peaks[same] = np.maximum(self.peaks[same], above + accounts.initial[same])
        if master.size and np.array_equal(before._master_since, master.since):
            above = before.master_peaks - before._master_initial
            self.master_peaks = np.maximum(self.master_peaks, above + master.initial)

    def look(self, state: BookState, worth: Vec, master_minor: int | None) -> Heights:
        """Who is at or below a limit. `worth`: equity int64[members]; None: sum not known."""
        mine = worth[self._places]
        if (mine > self.peaks).any():
            self.peaks = np.maximum(self.peaks, mine)
            self._levels = account_levels(state.risk, self.peaks)
        reached = np.flatnonzero((mine <= self._levels.level) & self._active)
        return self._heights(reached, is_master=self._is_master_down(state, master_minor))

    def _is_master_down(self, state: BookState, sum_minor: int | None) -> bool:
        if sum_minor is None or not self._master_active:
            return False
        self.master_peaks = np.maximum(self.master_peaks, sum_minor)
        return sum_minor <= int(master_levels(state.risk, self.master_peaks).level[0])

    def risen(self, state: BookState) -> Heights:
        """Heights that are worth a record."""
        risk = state.risk
        recorded = risk.references.peak
        rose = np.flatnonzero((self.peaks - recorded) * _PEAK_PART > np.maximum(recorded, 1))
        master = risk.master_reference.peak
        is_master = (self.master_peaks - master) * _PEAK_PART > np.maximum(master, 1)
        return self._heights(rose, is_master=bool(is_master.any()))

    def _heights(self, at: Vec, *, is_master: bool) -> Heights:
        above = self.peaks - self._initial
        made = Heights(self._account_ids[at], self._since[at], above[at])
        if not is_master:
            return made
        return Heights(
            np.append(made.account_ids, 0),
            np.append(made.since, self._master_since),
            np.append(made.above_minor, self.master_peaks - self._master_initial),
        )


def _can_stop(state: BookState, account_ids: Vec, places: Vec) -> Vec:
    """bool[n]: not leaving, and not stopped already."""
    status = state.members.status[places]
    here: Vec = (status == ACTIVE) | (status == PAUSED) | (status == CLOSE_ONLY)
    if state.risk.stops:
        here = here & ~np.isin(account_ids, vec(list(state.risk.stops)))
    return here


def reach_limits(state: BookState, report: ReachLimits, market: Market) -> Decided:
    """Begin the stops of who is at a limit, exactly. Raises ConflictError `limit_not_reached`."""
    risk, heights = state.risk, report.heights
    worth = equity(state, market)
    events: list[Event] = []
    if (heights.account_ids == 0).any() and risk.master_stop is None:
        events += _reached_master(state, report, market, worth)
    at = risk.references.at(heights.account_ids)
    at = at[at >= 0]
    places = state.places(risk.references.account_ids[at])
    can = _can_stop(state, risk.references.account_ids[at], places)
    at, places = at[can], places[can]
    levels = account_levels(risk, _peaks(risk.references, heights))
    reached = worth[places] <= levels.level[at]
    for place, row in zip(places[reached].tolist(), at[reached].tolist(), strict=True):
        account_id = int(state.members.account_ids[place])
        stop_id = uuid5(report.command_id, str(account_id))
        events.append(triggered(stop_id, account_id, levels, row, int(worth[place]), market.now_ms))
        if len(events) >= MOST_AT_ONCE:
            break
    if not events:
        raise ConflictError("limit_not_reached", "No limit is reached.")
    return events, {"stops": len(events)}


def _reached_master(
    state: BookState, report: ReachLimits, market: Market, worth: Vec
) -> list[Event]:
    references = state.risk.master_reference
    if not references.size:
        return []
    levels = master_levels(state.risk, _peaks(references, report.heights))
    total = master_sum(state, market, worth)
    if total > int(levels.level[0]):
        return []
    stop_id = uuid5(report.command_id, "master")
    return [triggered(stop_id, None, levels, 0, total, market.now_ms)]


def triggered(
    stop_id: UUID, account_id: int | None, levels: Levels, at: int, equity_minor: int, at_ms: int
) -> StopTriggered:
    level, reason, party, reference = levels.told(at)
    return StopTriggered(
        stop_id=stop_id,
        account_id=account_id,
        reason=reason,
        party=party,
        equity_minor=equity_minor,
        level_minor=level,
        reference_minor=reference,
        at_ms=at_ms,
    )


def _peaks(references: References, heights: Heights) -> Vec:
    """Recorded peaks, raised by what was told of the same beginning."""
    peaks = references.peak.copy()
    at = references.at(heights.account_ids)
    same = at >= 0
    same[same] = references.since[at[same]] == heights.since[same]
    at = at[same]
    peaks[at] = np.maximum(peaks[at], references.initial[at] + heights.above_minor[same])
    return peaks


def see_peaks(state: BookState, report: SeePeaks) -> Decided:
    """Record peaks that are higher than the recorded ones."""
    found: list[tuple[Vec, Vec]] = []
    for references in (state.risk.references, state.risk.master_reference):
        peaks = _peaks(references, report.heights)
        rose = np.flatnonzero(peaks > references.peak)
        found.append((references.account_ids[rose], peaks[rose]))
    account_ids, peaks_minor = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if not account_ids.size:
        return [], {}
    return [PeaksSeen(account_ids=account_ids, peaks_minor=peaks_minor)], {}


def start_day(state: BookState, report: StartDay, market: Market) -> Decided:
    """The day's references, by the quotes of now. Raises ConflictError `day_started`."""
    risk = state.risk
    if report.day <= risk.day:
        raise ConflictError("day_started", f"The day {report.day} has begun already.")
    worth = equity(state, market)
    is_master = bool(risk.master_reference.size)
    event = DayStarted(
        day=report.day,
        account_ids=risk.references.account_ids,
        equity_minor=worth[state.places(risk.references.account_ids)]
        if risk.references.size
        else vec(),
        master_balance_minor=master_sum(state, market, state.members.balance_minor)
        if is_master
        else 0,
        master_equity_minor=master_sum(state, market, worth) if is_master else 0,
    )
    return [event], {"day": report.day}
