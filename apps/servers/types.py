"""Plain data that trading servers give back: frozen structs, exact units.

Money and prices are `Decimal`, volumes are `Decimal` lots or `int` steps of the symbol's
`volume_step`, times are `int` milliseconds UTC. A login is an int: a kind of server whose
accounts are text maps them to ints by its own configuration.
"""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import Generic, Literal, TypeVar

import msgspec

from apps.core.errors import InputError

AccountKind = Literal["master", "sub", "house"]
OrderKind = Literal["market", "limit", "stop"]
OrderStatus = Literal["working", "filled", "cancelled", "expired"]
DealKind = Literal["fill", "in", "out", "deposit", "withdrawal", "credit", "fee", "correction"]

T = TypeVar("T")


class Side(enum.IntEnum):
    """The sign of a position: P&L = (close − open) · side · …"""

    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        return Side(-self.value)


class SymbolSpec(msgspec.Struct, frozen=True):
    """One tradable symbol. 1 lot = `contract_size` units of `base_currency`."""

    name: str
    description: str
    base_currency: str
    profit_currency: str  # the currency P&L arises in, before conversion
    margin_currency: str
    margin_mode: Literal["fx", "cfd"]  # math.md §2
    digits: int
    contract_size: Decimal
    volume_min: Decimal  # lots
    volume_max: Decimal
    volume_step: Decimal
    max_leverage: int  # the account's leverage is cut to this
    sessions: tuple[tuple[int, int], ...] = ()  # apps.core.sessions; empty: always open

    @property
    def min_steps(self) -> int:
        return int(self.volume_min / self.volume_step)

    @property
    def max_steps(self) -> int:
        return int(self.volume_max / self.volume_step)

    @property
    def point(self) -> Decimal:
        return Decimal(1).scaleb(-self.digits)

    def to_steps(self, lots: Decimal) -> int:
        """Exact steps of `lots`. InputError `volume_off_step` instead of any rounding."""
        steps = lots / self.volume_step if lots.is_finite() else Decimal("NaN")
        if not steps.is_finite() or steps != steps.to_integral_value():
            raise InputError(
                "volume_off_step",
                f"{lots} lots of {self.name} is not a multiple of {self.volume_step}",
                symbol=self.name,
                lots=str(lots),
                volume_step=str(self.volume_step),
            )
        return int(steps)

    def to_lots(self, steps: int) -> Decimal:
        return self.volume_step * steps

    def to_points(self, price: Decimal) -> int:
        """Exact points of `price`. InputError `price_off_grid` when it has more digits."""
        points = price.scaleb(self.digits) if price.is_finite() else Decimal("NaN")
        if not points.is_finite() or points != points.to_integral_value():
            raise InputError(
                "price_off_grid",
                f"price {price} of {self.name} has more than {self.digits} digits",
                symbol=self.name,
                price=str(price),
                digits=self.digits,
            )
        return int(points)

    def to_price(self, points: int) -> Decimal:
        return Decimal(points).scaleb(-self.digits)


class AccountState(msgspec.Struct, frozen=True):
    """An account valued at the server's current quotes, in its own currency.

    equity = balance + credit + floating; free = equity − margin; level = equity/margin·100 in
    percent, None when margin is 0.
    """

    login: int
    name: str
    kind: AccountKind
    currency: str
    leverage: int
    balance: Decimal
    credit: Decimal
    floating: Decimal
    equity: Decimal
    margin: Decimal
    free: Decimal
    level: Decimal | None
    at_ms: int


class Position(msgspec.Struct, frozen=True):
    """An open ticket, or (`unallocated`) a master's fill that nobody has been given yet."""

    position_id: int  # the ticket id; for an unallocated fill its deal id
    login: int
    symbol: str
    side: Side
    steps: int
    lots: Decimal
    open_price: Decimal
    opened_at_ms: int
    profit: Decimal  # floating, in the account's currency
    unallocated: bool


class OrderState(msgspec.Struct, frozen=True):
    order_id: str
    command_id: str | None  # None: placed from outside (a terminal, an EA)
    login: int
    symbol: str
    side: Side
    kind: OrderKind
    status: OrderStatus
    steps: int
    cum_steps: int
    leaves_steps: int
    price: Decimal | None  # the limit or stop price
    placed_at_ms: int
    expires_at_ms: int | None


class Deal(msgspec.Struct, frozen=True):
    """One line of an account's history; the balance is the sum of all `amount`s but credit's."""

    deal_id: str
    login: int
    kind: DealKind
    amount: Decimal  # what it added to the balance (`credit`: to the credit), signed
    at_ms: int
    command_id: str | None
    position_id: int | None = None
    symbol: str | None = None
    side: Side | None = None  # of the deal itself: a closing deal has the ticket's opposite
    steps: int = 0
    price: Decimal | None = None
    comment: str = ""


class Bar(msgspec.Struct, frozen=True):
    """One minute of bid prices."""

    at_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    ticks: int


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`next` is the cursor of the following page, None on the last one."""

    items: list[T]
    next: str | None


class Health(msgspec.Struct, frozen=True):
    up: bool
    last_seq: int  # newest durable event the server told of
    latency_ms: float | None
    server_offset_ms: int  # server clock − ours
    detail: str = ""
