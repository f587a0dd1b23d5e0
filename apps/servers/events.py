"""What a trading server tells. At least once, in order per account, resumable by `seq`.

`seq` > 0: durable, the server repeats it after any `seq` asked for. `seq` = 0: of the moment
only (quotes, the session's own news).
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import msgspec

from apps.servers.types import OrderState, Position, Side


class EventBase(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    at_ms: int  # UTC, the server's clock
    seq: int = 0


class OrderAccepted(EventBase, frozen=True, kw_only=True):
    order_id: str
    command_id: UUID | None  # None: placed from outside on that login
    login: int
    symbol: str
    side: Side
    steps: int


class OrderRejected(EventBase, frozen=True, kw_only=True):
    """An order that was accepted and then refused (a trigger without money, for example)."""

    order_id: str
    command_id: UUID | None
    login: int
    code: str
    raw: str


class OrderAmended(EventBase, frozen=True, kw_only=True):
    order_id: str
    command_id: UUID | None
    login: int
    price: Decimal


class OrderCancelled(EventBase, frozen=True, kw_only=True):
    order_id: str
    command_id: UUID | None
    login: int
    leaves_steps: int  # what will not be filled


class OrderExpired(EventBase, frozen=True, kw_only=True):
    order_id: str
    command_id: UUID | None
    login: int
    leaves_steps: int


class Fill(EventBase, frozen=True, kw_only=True):
    """An execution. At-least-once: de-duplicate by (server, `deal_id`). `cum_steps` only grows.

    `rates`: {account currency: profit currency → account currency}, as of this fill; an
    AllocateClose of this deal posts P&L with exactly these.
    """

    deal_id: str
    order_id: str
    command_id: UUID | None  # of the order; None: placed from outside
    login: int
    symbol: str
    side: Side
    steps: int
    lots: Decimal
    cum_steps: int
    leaves_steps: int
    price: Decimal
    rates: dict[str, Decimal]
    fee: Decimal = Decimal(0)  # in the account's currency
    position_id: int | None = None  # the position opened or closed; None on a master's block
    profit: Decimal = Decimal(0)  # realised by close_position, in the account's currency


class TradeBusted(EventBase, frozen=True, kw_only=True):
    """A deal of a master was taken back by another: same volume, price and rates, other `side`.

    The reversal is unallocated volume of the master, like any fill.
    """

    busted_deal_id: str
    deal_id: str
    login: int
    symbol: str
    side: Side
    steps: int
    price: Decimal
    rates: dict[str, Decimal]


class Allocated(EventBase, frozen=True, kw_only=True):
    """An allocation was booked: the summary; rows are in `Done.booked` and in the deals."""

    command_id: UUID
    login: int  # the master
    symbol: str
    deal_ids: tuple[str, ...]
    tickets: int
    steps: int
    closing: bool


class PositionChanged(EventBase, frozen=True, kw_only=True):
    """A position changed without a fill of ours (a correction by the server's staff)."""

    position: Position


class BalanceChanged(EventBase, frozen=True, kw_only=True):
    """A balance operation (not a trade's P&L)."""

    deal_id: str
    command_id: UUID | None
    login: int
    kind: str
    amount: Decimal  # signed
    balance: Decimal  # after it


class AccountChanged(EventBase, frozen=True, kw_only=True):
    """Created, or its leverage, name or kind changed."""

    login: int
    created: bool


class StopOut(EventBase, frozen=True, kw_only=True):
    login: int
    level: Decimal  # percent
    position_ids: tuple[int, ...]


class Quote(EventBase, frozen=True, kw_only=True):
    """`at_ms`: when the server took it (freshness); `source_ms`: its time in the source."""

    symbol: str
    bid: Decimal
    ask: Decimal
    source_ms: int


class SessionUp(EventBase, frozen=True, kw_only=True):
    """Authenticated, snapshot taken, commands are accepted. `epoch` counts the ups."""

    epoch: int


class SessionDown(EventBase, frozen=True, kw_only=True):
    reason: str
    retry_in_ms: int


class Gap(EventBase, frozen=True, kw_only=True):
    """Events in (`from_seq`, `to_seq`) are gone (pruned): reconcile by snapshot."""

    from_seq: int
    to_seq: int


class ReconcileDiff(EventBase, frozen=True, kw_only=True):
    """What the server holds at (re)connect, before the session is Up; compare and repair.

    Working orders, and masters' fills that are not yet allocated. Durable events after
    `after_seq` follow.
    """

    after_seq: int
    last_seq: int
    orders: list[OrderState]
    unallocated: list[Position]


Event = (
    OrderAccepted
    | OrderRejected
    | OrderAmended
    | OrderCancelled
    | OrderExpired
    | Fill
    | TradeBusted
    | Allocated
    | PositionChanged
    | BalanceChanged
    | AccountChanged
    | StopOut
    | Quote
    | SessionUp
    | SessionDown
    | Gap
    | ReconcileDiff
)
