"""The state of a book: what replaying its journal gives, and what a snapshot holds.

Per member everything is a vector, aligned with `Members.account_ids` (a member keeps its place
when it leaves). Closed blocks and settled intents are gone from here: the journal has them.
"""

from __future__ import annotations

from apps.core.book.state.blocks import TRANSITIONS, Block, BlockStatus, Close, Fills, next_status
from apps.core.book.state.book import BookState, new_book
from apps.core.book.state.intents import (
    BalanceIntent,
    BookingIntent,
    CancelIntent,
    Intent,
    LegIntent,
    SubmitIntent,
)
from apps.core.book.state.members import (
    ACTIVE,
    CLOSE_ONLY,
    DETACHED,
    DETACHING,
    PAUSED,
    STATUS_OF,
    CarryState,
    Exposure,
    Group,
    Grouped,
    Members,
)
from apps.core.book.state.mirror import HOME, Leg, LegFills, Legs, Mirror, Note

__all__ = [
    "ACTIVE",
    "CLOSE_ONLY",
    "DETACHED",
    "DETACHING",
    "HOME",
    "PAUSED",
    "STATUS_OF",
    "TRANSITIONS",
    "BalanceIntent",
    "Block",
    "BlockStatus",
    "BookState",
    "BookingIntent",
    "CancelIntent",
    "CarryState",
    "Close",
    "Exposure",
    "Fills",
    "Group",
    "Grouped",
    "Intent",
    "Leg",
    "LegFills",
    "LegIntent",
    "Legs",
    "Members",
    "Mirror",
    "Note",
    "SubmitIntent",
    "new_book",
    "next_status",
]
