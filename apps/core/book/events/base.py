"""The root of all events."""

from __future__ import annotations

import msgspec


class BookEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The root of all events."""
