"""Which stretch of time a run settles."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from apps.core.errors import InputError

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Period:
    """[starts_at, ends_at) with zone; `key` names it and makes its run unique."""

    key: str
    starts_at: datetime
    ends_at: datetime


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
    return Period(f"{period.key}/{moment:%Y%m%dT%H%M%SZ}", period.starts_at, end)
