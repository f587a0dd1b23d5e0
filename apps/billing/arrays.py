"""Many values as one parameter: PostgreSQL's own array text, without quoting each element."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date


def array(values: Iterable[int | date | bool | None]) -> str:
    """Integers, booleans, dates and moments as '{1,2,3}', for `%s::bigint[]` and its like."""
    return "{" + ",".join(map(_text, values)) + "}"


def _text(value: int | date | bool | None) -> str:
    if value is None:
        return "NULL"
    return value.isoformat() if isinstance(value, date) else str(value)
