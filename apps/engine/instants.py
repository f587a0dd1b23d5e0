"""Journal time → rows' time."""

from __future__ import annotations

from datetime import UTC, datetime


def instant(at_ms: int) -> datetime:
    """UTC milliseconds as an aware datetime."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC)
