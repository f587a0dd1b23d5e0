"""What every stimulus is, and the words they share."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

Side = Literal["buy", "sell"]
OrderKind = Literal["market", "limit", "stop"]
BalanceKind = Literal["deposit", "withdrawal", "fee"]
LinkStatus = Literal["active", "paused", "close_only"]
Expiry = Literal["gtc", "day", "date"]


class Stimulus(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The root: every stimulus carries the id that makes it unique in its book."""

    command_id: UUID
