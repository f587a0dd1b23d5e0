"""Which stretch of time a run settles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from apps.core.errors import InputError
from apps.core.fees.terms import Every

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_QUARTER = re.compile(r"(\d{4})-Q([1-4])")
_WEEK = re.compile(r"(\d{4})-W(\d{2})")


@dataclass(frozen=True, slots=True)
class Period:
    """[starts_at, ends_at) with zone; `key` names it and makes its run unique."""

    key: str
    starts_at: datetime
    ends_at: datetime
    every: Every = Every.MONTH


def month(key: str, zone: ZoneInfo) -> Period:
    """A calendar month of the broker's time zone, from "2026-10".

    Raises InputError("period_invalid").
    """
    found = _MONTH.fullmatch(key)
    if not found or not 1970 <= int(found[1]) <= 9998:
        raise InputError("period_invalid", f"{key!r}: a period is written YYYY-MM.", period=key)
    year, number = int(found[1]), int(found[2])
    following = (year + number // 12, number % 12 + 1)
    return Period(
        key,
        datetime(year, number, 1, tzinfo=zone),
        datetime(following[0], following[1], 1, tzinfo=zone),
    )


def period_of(key: str, zone: ZoneInfo) -> Period:
    """A period by its key: "2026-10", "2026-Q4", "2026-W43" (ISO) or "2026-10-21".

    Raises InputError("period_invalid").
    """
    try:
        if found := _QUARTER.fullmatch(key):
            return period_at(Every.QUARTER, date(int(found[1]), 3 * int(found[2]) - 2, 1), zone)
        if found := _WEEK.fullmatch(key):
            return period_at(
                Every.WEEK, date.fromisocalendar(int(found[1]), int(found[2]), 1), zone
            )
        if len(key) == len("2026-10-21"):
            return period_at(Every.DAY, date.fromisoformat(key), zone)
    except ValueError:
        raise InputError("period_invalid", f"{key!r} is no period.", period=key) from None
    return month(key, zone)


def period_at(every: Every, day: date, zone: ZoneInfo) -> Period:
    """The period of this kind that `day` lies in."""
    match every:
        case Every.DAY:
            first, after, key = day, day + timedelta(days=1), day.isoformat()
        case Every.WEEK:
            first = day - timedelta(days=day.weekday())
            after, iso = first + timedelta(days=7), first.isocalendar()
            key = f"{iso.year:04d}-W{iso.week:02d}"
        case Every.MONTH:
            return month(f"{day.year:04d}-{day.month:02d}", zone)
        case Every.QUARTER:
            number = (day.month - 1) // 3
            first = date(day.year, 3 * number + 1, 1)
            after = date(day.year + (number == 3), (3 * number + 3) % 12 + 1, 1)
            key = f"{day.year:04d}-Q{number + 1}"
    return Period(key, _midnight(first, zone), _midnight(after, zone), every)


def ended_before(every: Every, now: datetime, zone: ZoneInfo) -> Period:
    """The last period of this kind that has ended at `now`."""
    current = period_at(every, now.astimezone(zone).date(), zone)
    return period_at(every, (current.starts_at - timedelta(days=1)).date(), zone)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def month_before(now: datetime, zone: ZoneInfo) -> Period:
    """The last month that has ended at `now`."""
    local = now.astimezone(zone)
    year, number = (local.year, local.month - 1) if local.month > 1 else (local.year - 1, 12)
    return month(f"{year:04d}-{number:02d}", zone)


def until(period: Period, end: datetime) -> Period:
    """The part of a month up to `end`, an interim settlement with a run of its own.

    Raises InputError("period_invalid") unless `end` has a zone and lies inside the month.
    """
    if end.tzinfo is None or not period.starts_at < end < period.ends_at:
        raise InputError(
            "period_invalid",
            f"An interim settlement of {period.key} ends inside that month, with a time zone.",
            until=end.isoformat(),
        )
    moment = end.astimezone(ZoneInfo("UTC"))
    return Period(f"{period.key}/{moment:%Y%m%dT%H%M%SZ}", period.starts_at, end, period.every)
