"""What a book can be asked to do (commands), and what it is told (reports).

Both are *stimuli*: whatever changes a book passes `decide` as one of these. `command_id` is
chosen by the caller and is the key of idempotency: a book holds one record for each.
"""

from __future__ import annotations

from apps.core.book.commands.base import (
    BalanceKind,
    DetachMode,
    Expiry,
    JoinMode,
    LeaveMode,
    LinkStatus,
    OrderKind,
    Side,
    Stimulus,
    order_limit,
)
from apps.core.book.commands.facts import (
    AccountInfo,
    AccountTable,
    Inputs,
    MasterMoney,
    OwnPosition,
    QuoteIn,
    SymbolInfo,
)
from apps.core.book.commands.links import (
    AdjustBalance,
    DetachTickets,
    LinkAccount,
    LinkAccounts,
    SetLinkStatus,
    SetLinkTerms,
    SetRule,
    UnlinkAccount,
)
from apps.core.book.commands.mirror import (
    DefineVenue,
    Execution,
    RetryLegs,
    SetExecution,
    VenueInfo,
)
from apps.core.book.commands.orders import (
    AmendBlock,
    CancelAll,
    CancelBlock,
    CloseAll,
    CloseBlock,
    CloseBy,
    PlaceBlock,
    ReverseBlock,
)
from apps.core.book.commands.reports import (
    BalanceReported,
    BookingReported,
    BustReported,
    CancelReported,
    DefineSymbols,
    ExpireBlock,
    FillReported,
    OpenBook,
    OrderEnded,
    OutsideFill,
    OwnTicketClosed,
    StopBlock,
    TrailStop,
    TriggerBlock,
)
from apps.core.book.commands.risk import (
    AdvanceStops,
    FlatReported,
    HardStop,
    Heights,
    LiftStop,
    ReachLimits,
    SeePeaks,
    ServerClosed,
    SetProtection,
    StartDay,
)

Command = (
    PlaceBlock
    | AmendBlock
    | CloseBlock
    | CloseAll
    | CloseBy
    | ReverseBlock
    | CancelBlock
    | CancelAll
    | LinkAccount
    | LinkAccounts
    | UnlinkAccount
    | DetachTickets
    | SetRule
    | SetLinkTerms
    | SetLinkStatus
    | AdjustBalance
    | SetProtection
    | HardStop
    | LiftStop
    | SetExecution
    | RetryLegs
)
Report = (
    OpenBook
    | DefineSymbols
    | DefineVenue
    | TriggerBlock
    | StopBlock
    | TrailStop
    | ExpireBlock
    | FillReported
    | OutsideFill
    | BustReported
    | OrderEnded
    | CancelReported
    | BookingReported
    | BalanceReported
    | ReachLimits
    | SeePeaks
    | StartDay
    | AdvanceStops
    | FlatReported
    | ServerClosed
    | OwnTicketClosed
)
AnyStimulus = Command | Report

__all__ = [
    "AccountInfo",
    "AccountTable",
    "AdjustBalance",
    "AdvanceStops",
    "AmendBlock",
    "AnyStimulus",
    "BalanceKind",
    "BalanceReported",
    "BookingReported",
    "BustReported",
    "CancelAll",
    "CancelBlock",
    "CancelReported",
    "CloseAll",
    "CloseBlock",
    "CloseBy",
    "Command",
    "DefineSymbols",
    "DefineVenue",
    "DetachMode",
    "DetachTickets",
    "Execution",
    "ExpireBlock",
    "Expiry",
    "FillReported",
    "FlatReported",
    "HardStop",
    "Heights",
    "Inputs",
    "JoinMode",
    "LeaveMode",
    "LiftStop",
    "LinkAccount",
    "LinkAccounts",
    "LinkStatus",
    "MasterMoney",
    "OpenBook",
    "OrderEnded",
    "OrderKind",
    "OutsideFill",
    "OwnPosition",
    "OwnTicketClosed",
    "PlaceBlock",
    "QuoteIn",
    "ReachLimits",
    "Report",
    "RetryLegs",
    "ReverseBlock",
    "SeePeaks",
    "ServerClosed",
    "SetExecution",
    "SetLinkStatus",
    "SetLinkTerms",
    "SetProtection",
    "SetRule",
    "Side",
    "StartDay",
    "Stimulus",
    "StopBlock",
    "SymbolInfo",
    "TrailStop",
    "TriggerBlock",
    "UnlinkAccount",
    "VenueInfo",
    "order_limit",
]
