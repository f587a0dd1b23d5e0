"""The engine's eye on time: the broker's day, and nothing told twice."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from apps.core.book.commands import AdvanceStops, AnyStimulus, StartDay
from apps.engine.guard import Guard
from tests.core_book.protected import ProtectedWorld


def at_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_day_is_the_brokers_also_when_clocks_change() -> None:
    guard = Guard(lambda _: None, "America/New_York")
    assert guard.day(at_ms("2026-11-21 04:59:59")) == "2026-11-20"
    assert guard.day(at_ms("2026-11-21 05:00:00")) == "2026-11-21"
    assert guard.day(at_ms("2026-07-01 03:59:59")) == "2026-06-30"
    assert guard.day(at_ms("2026-07-01 04:00:00")) == "2026-07-01"


def test_a_day_is_told_once_while_the_book_has_limits() -> None:
    told: list[AnyStimulus] = []
    world = ProtectedWorld(2, moods=False)
    guard = Guard(told.append, "UTC")
    guard.check(world.book, 1, at_ms("2026-11-21 00:00:00"))
    assert told == []
    world.protect(1, trailing_percent=Decimal(10))
    guard.check(world.book, 2, at_ms("2026-11-21 00:00:00"))
    guard.check(world.book, 2, at_ms("2026-11-21 00:00:01"))
    assert [type(one) for one in told] == [StartDay]
    world.tell(told[0])
    guard.check(world.book, 3, at_ms("2026-11-21 23:59:59"))
    assert len(told) == 1
    guard.check(world.book, 3, at_ms("2026-11-22 00:00:00"))
    assert [one.day for one in told if isinstance(one, StartDay)] == ["2026-11-21", "2026-11-22"]


def test_a_step_of_a_stop_is_told_once_for_each_record() -> None:
    told: list[AnyStimulus] = []
    world = ProtectedWorld(2, moods=False)
    guard = Guard(told.append, "UTC")
    world.protect(1, stop_equity_minor=10**12)
    world.mark()
    now = world.now_ms
    for seq in (7, 7, 8):
        guard.check(world.book, seq, now)
    assert [type(one) for one in told].count(AdvanceStops) == 2
