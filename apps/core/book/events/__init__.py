"""What happened to a book. Events carry all that `apply` and the projection need, no more.

Vectors of one event are aligned with each other. Money in minor units of the account's currency
unless a field says otherwise.
"""

from __future__ import annotations

from apps.core.book.events.base import (
    BookEvent,
)
from apps.core.book.events.blocks import (
    BlockAllocated,
    BlockAmended,
    BlockCancelled,
    BlockClosed,
    BlockFilled,
    BlockPlaced,
    BlockRejected,
    CancelRequested,
    CancelSettled,
    OrderPartlyFilled,
    StopTrailed,
)
from apps.core.book.events.book import (
    BalanceRequested,
    BalanceSettled,
    BookingSettled,
    BookOpened,
    CommandRefused,
    SymbolDefined,
)
from apps.core.book.events.closes import (
    CloseEnded,
    CloseFilled,
    CloseRequested,
)
from apps.core.book.events.links import (
    JoinDecided,
    JoinShare,
    LinkStatusSet,
    LinkTermsSet,
    MemberDetached,
    MemberDetaching,
    MemberLinked,
    MembersActivated,
    MembersLinked,
    OwnTicketReduced,
    RuleSet,
    TicketsReleased,
)
from apps.core.book.events.mirror import (
    ExecutionSet,
    LegClosed,
    LegFailed,
    LegFilled,
    LegPartlyFilled,
    LegsPlanned,
    LegsRetried,
    LegsSent,
    LegsSettled,
    VenueDefined,
)
from apps.core.book.events.risk import (
    DayStarted,
    FlatAnswered,
    FlatAsked,
    MasterFlowed,
    MasterReferenceStarted,
    PeaksSeen,
    ProtectionSet,
    ReferencesStarted,
    SharesWithdrawn,
    StopLifted,
    StopsAdvanced,
    StopTriggered,
    TicketClosedByServer,
)

Event = (
    BookOpened
    | SymbolDefined
    | MemberLinked
    | MembersLinked
    | JoinDecided
    | MembersActivated
    | RuleSet
    | LinkTermsSet
    | LinkStatusSet
    | MemberDetaching
    | MemberDetached
    | TicketsReleased
    | OwnTicketReduced
    | BlockPlaced
    | BlockAmended
    | StopTrailed
    | BlockAllocated
    | CancelRequested
    | CancelSettled
    | BlockCancelled
    | BlockRejected
    | OrderPartlyFilled
    | BlockFilled
    | CloseRequested
    | CloseEnded
    | CloseFilled
    | BlockClosed
    | BookingSettled
    | BalanceRequested
    | BalanceSettled
    | CommandRefused
    | ProtectionSet
    | ReferencesStarted
    | MasterReferenceStarted
    | MasterFlowed
    | PeaksSeen
    | DayStarted
    | StopTriggered
    | SharesWithdrawn
    | StopsAdvanced
    | FlatAsked
    | FlatAnswered
    | StopLifted
    | TicketClosedByServer
    | ExecutionSet
    | VenueDefined
    | LegsPlanned
    | LegsSent
    | LegsRetried
    | LegPartlyFilled
    | LegFilled
    | LegClosed
    | LegFailed
    | LegsSettled
)

__all__ = [
    "BalanceRequested",
    "BalanceSettled",
    "BlockAllocated",
    "BlockAmended",
    "BlockCancelled",
    "BlockClosed",
    "BlockFilled",
    "BlockPlaced",
    "BlockRejected",
    "BookEvent",
    "BookOpened",
    "BookingSettled",
    "CancelRequested",
    "CancelSettled",
    "CloseEnded",
    "CloseFilled",
    "CloseRequested",
    "CommandRefused",
    "DayStarted",
    "Event",
    "ExecutionSet",
    "FlatAnswered",
    "FlatAsked",
    "JoinDecided",
    "JoinShare",
    "LegClosed",
    "LegFailed",
    "LegFilled",
    "LegPartlyFilled",
    "LegsPlanned",
    "LegsRetried",
    "LegsSent",
    "LegsSettled",
    "LinkStatusSet",
    "LinkTermsSet",
    "MasterFlowed",
    "MasterReferenceStarted",
    "MemberDetached",
    "MemberDetaching",
    "MemberLinked",
    "MembersActivated",
    "MembersLinked",
    "OrderPartlyFilled",
    "OwnTicketReduced",
    "PeaksSeen",
    "ProtectionSet",
    "ReferencesStarted",
    "RuleSet",
    "SharesWithdrawn",
    "StopLifted",
    "StopTrailed",
    "StopTriggered",
    "StopsAdvanced",
    "SymbolDefined",
    "TicketClosedByServer",
    "TicketsReleased",
    "VenueDefined",
]
