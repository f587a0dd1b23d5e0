"""What a book can be asked to do (commands), and what it is told (reports).

Both are *stimuli*: whatever changes a book passes `decide` as one of these. `command_id` is
chosen by the caller and is the key of idempotency: a book holds one record for each.
"""

from __future__ import annotations

from apps.core.book.commands.base import (
    BalanceKind,
    Expiry,
    LinkStatus,
    OrderKind,
    Side,
    Stimulus,
    order_limit,
)
from apps.core.book.commands.facts import (
    AccountInfo,
    Inputs,
    MasterMoney,
    QuoteIn,
    SymbolInfo,
)
from apps.core.book.commands.links import (
    AdjustBalance,
    LinkAccount,
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
    CancelReported,
    DefineSymbols,
    ExpireBlock,
    FillReported,
    OpenBook,
    OrderEnded,
    OutsideFill,
    StopBlock,
    TrailStop,
    TriggerBlock,
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
    | UnlinkAccount
    | SetRule
    | SetLinkTerms
    | SetLinkStatus
    | AdjustBalance
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
    | OrderEnded
    | CancelReported
    | BookingReported
    | BalanceReported
)
AnyStimulus = Command | Report

__all__ = [
    "AccountInfo",
    "AdjustBalance",
    "AmendBlock",
    "AnyStimulus",
    "BalanceKind",
    "BalanceReported",
    "BookingReported",
    "CancelAll",
    "CancelBlock",
    "CancelReported",
    "CloseAll",
    "CloseBlock",
    "CloseBy",
    "Command",
    "DefineSymbols",
    "DefineVenue",
    "Execution",
    "ExpireBlock",
    "Expiry",
    "FillReported",
    "Inputs",
    "LinkAccount",
    "LinkStatus",
    "MasterMoney",
    "OpenBook",
    "OrderEnded",
    "OrderKind",
    "OutsideFill",
    "PlaceBlock",
    "QuoteIn",
    "Report",
    "RetryLegs",
    "ReverseBlock",
    "SetExecution",
    "SetLinkStatus",
    "SetLinkTerms",
    "SetRule",
    "Side",
    "Stimulus",
    "StopBlock",
    "SymbolInfo",
    "TrailStop",
    "TriggerBlock",
    "UnlinkAccount",
    "VenueInfo",
    "order_limit",
]
