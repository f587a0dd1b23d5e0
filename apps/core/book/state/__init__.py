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
    FlatIntent,
    Intent,
    LegIntent,
    SubmitIntent,
)
from apps.core.book.state.members import (
    ACTIVE,
    BLOCKED,
    CLOSE_ONLY,
    DETACHED,
    DETACHING,
    GOING,
    LEAVING,
    OUT,
    PAUSED,
    STATUS_OF,
    WAITING,
    CarryState,
    Exposure,
    Group,
    Grouped,
    Members,
    OwnTicket,
)
from apps.core.book.state.mirror import HOME, Leg, LegFills, Legs, Mirror, Note
from apps.core.book.state.risk import (
    STOP_STEPS,
    References,
    RiskState,
    Stop,
    next_phase,
)

__all__ = [
    "ACTIVE",
    "BLOCKED",
    "CLOSE_ONLY",
    "DETACHED",
    "DETACHING",
    "GOING",
    "HOME",
    "LEAVING",
    "OUT",
    "PAUSED",
    "STATUS_OF",
    "STOP_STEPS",
    "TRANSITIONS",
    "WAITING",
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
    "FlatIntent",
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
    "OwnTicket",
    "References",
    "RiskState",
    "Stop",
    "SubmitIntent",
    "new_book",
    "next_phase",
    "next_status",
]
