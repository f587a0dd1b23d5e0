"""What every stimulus is, and the words they share."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

Side = Literal["buy", "sell"]
OrderKind = Literal["market", "limit", "stop", "stop_limit"]
BalanceKind = Literal["deposit", "withdrawal", "fee"]
LinkStatus = Literal["active", "paused", "close_only"]
Expiry = Literal["gtc", "day", "date"]


def order_limit(kind: OrderKind, price_points: int | None, limit_points: int | None) -> int | None:
    """What a block's order is limited to at the server; None: it is sent at the market."""
    match kind:
        case "limit":
            return price_points
        case "stop_limit":
            return limit_points
        case _:
            return None


class Stimulus(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The root: every stimulus carries the id that makes it unique in its book."""

    command_id: UUID
