"""What the status page is told and what it says about it.

The engine's room measures (`EngineFacts`), this page judges: `judge` is pure, so that its limits
can be read and tested in one place. Nothing known is said to be unknown, never fine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.utils.translation import gettext_lazy as _

HEARTBEAT_LATE_MS = 5_000
HEARTBEAT_DEAD_MS = 15_000
LAG_LATE_MS = 5_000
QUOTE_LATE_MS = 5_000
QUOTE_DEAD_MS = 60_000

OK, UNKNOWN, DEGRADED, DOWN = "ok", "unknown", "degraded", "down"
_WORST = (OK, UNKNOWN, DEGRADED, DOWN)


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """Measured now for one broker. None means: could not be measured."""

    books_total: int
    books_led: int  # books whose lease is held and not expired
    heartbeat_age_ms: int | None  # of the stalest held lease
    journal_lag: int | None  # records committed but not yet projected, all books
    lag_age_ms: int | None  # how long the newest of them has waited
    quote_age_ms: int | None  # of the freshest quote
    market_open: bool = True


Provider = Callable[[str], EngineFacts]  # slug → facts; any exception means unknown


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the page. `value` is in `unit` ('ms', 'records', 'books') or None."""

    code: str
    label: str
    state: str
    note: str
    value: int | None = None
    unit: str = ""


def worst(states: list[str]) -> str:
    """The state that a reader must hear first; unknown when there is none at all."""
    return max(states, key=_WORST.index) if states else UNKNOWN


def judge(facts: EngineFacts | None) -> list[Check]:
    """The three lines of one broker: engine, record, quotes."""
    if facts is None:
        note = str(_("It could not be asked."))
        return [
            Check("engine", str(_("Engine")), UNKNOWN, note),
            Check("journal", str(_("Record")), UNKNOWN, note),
            Check("quotes", str(_("Quotes")), UNKNOWN, note),
        ]
    return [_engine(facts), _journal(facts), _quotes(facts)]


def _engine(facts: EngineFacts) -> Check:
    label, age = str(_("Engine")), facts.heartbeat_age_ms
    if facts.books_total == 0:
        return Check("engine", label, OK, str(_("There are no books to run.")))
    if facts.books_led == 0:
        return Check("engine", label, DOWN, str(_("No engine holds a book; orders are refused.")))
    if age is None:
        return Check("engine", label, UNKNOWN, str(_("Its heartbeat could not be read.")))
    if facts.books_led < facts.books_total or age > HEARTBEAT_DEAD_MS:
        note = str(_("Some books have no engine; their orders are refused."))
        return Check("engine", label, DEGRADED, note, age, "ms")
    state = DEGRADED if age > HEARTBEAT_LATE_MS else OK
    note = str(_("Late heartbeat.")) if state == DEGRADED else str(_("Every book is run."))
    return Check("engine", label, state, note, age, "ms")


def _journal(facts: EngineFacts) -> Check:
    label, lag = str(_("Record")), facts.journal_lag
    if lag is None:
        return Check("journal", label, UNKNOWN, str(_("Its lag could not be read.")))
    if lag and (facts.lag_age_ms is None or facts.lag_age_ms > LAG_LATE_MS):
        note = str(_("Committed, but lists and reports are behind."))
        return Check("journal", label, DEGRADED, note, lag, "records")
    return Check("journal", label, OK, str(_("Lists and reports are current.")), lag, "records")


def _quotes(facts: EngineFacts) -> Check:
    label, age = str(_("Quotes")), facts.quote_age_ms
    if not facts.market_open:
        return Check("quotes", label, OK, str(_("The market is closed.")), age, "ms")
    if age is None and facts.books_total == 0:
        return Check("quotes", label, OK, str(_("There is no book that needs them.")))
    if age is None:
        return Check("quotes", label, DOWN, str(_("No quote has arrived.")))
    if age > QUOTE_LATE_MS:
        state = DOWN if age > QUOTE_DEAD_MS else DEGRADED
        return Check("quotes", label, state, str(_("The last quote is old.")), age, "ms")
    return Check("quotes", label, OK, str(_("Quotes arrive.")), age, "ms")
