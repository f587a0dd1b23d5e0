"""What can be asked of a trading server. Every command carries the caller's `command_id`.

The caller persists `command_id` before it calls; a repeat with the same content returns the
stored outcome, the same id with other content is refused (`command_id_reused`).
Vectors are packed little-endian int64 (`numpy.asarray(v, "<i8").tobytes()`), equally long.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from apps.servers.types import AccountKind, OrderKind, Side

BalanceKind = Literal["deposit", "withdrawal", "credit", "fee", "correction"]


class Command(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    command_id: UUID


class SubmitOrder(Command, frozen=True, kw_only=True):
    """On a master: a block, held as unallocated once filled. On any other login: a position."""

    login: int
    symbol: str
    side: Side
    lots: Decimal
    kind: OrderKind = "market"
    price: Decimal | None = None  # limit and stop only
    expires_at_ms: int | None = None  # limit and stop only; None: good till cancelled
    comment: str = ""


class AmendOrder(Command, frozen=True, kw_only=True):
    """Moves the price (and the expiry) of a working limit or stop order."""

    order_id: str
    price: Decimal
    expires_at_ms: int | None = None


class CancelOrder(Command, frozen=True, kw_only=True):
    order_id: str


class ClosePosition(Command, frozen=True, kw_only=True):
    """Closes `lots` of one position (None: all that is open) at the market."""

    login: int
    position_id: int
    lots: Decimal | None = None


class AllocateOpen(Command, frozen=True, kw_only=True):
    """Books a master's fills as new tickets of other accounts, all at one price.

    `price` must be the volume-weighted price of `deal_ids`, rounded half-up to the symbol's
    digits (for one deal: its price); otherwise `price_mismatch`. Σ steps may not exceed what
    those deals have unallocated (`over_allocated`); it is taken from them in the order given.
    """

    login: int  # the master
    deal_ids: tuple[str, ...]
    price: Decimal
    logins: bytes
    steps: bytes
    ticket_ids: bytes


class AllocateClose(Command, frozen=True, kw_only=True):
    """Books a master's fills as closings of tickets of the opposite side and the same symbol.

    Each ticket's P&L at `price` (as in AllocateOpen), converted with the rates that the *last*
    of `deal_ids` carried, is posted to its account. The answer is `Done.booked`.
    """

    login: int  # the master
    deal_ids: tuple[str, ...]
    price: Decimal
    ticket_ids: bytes
    steps: bytes


class AllocateNetted(Command, frozen=True, kw_only=True):
    """Closes tickets of both sides of a symbol against each other at one price, without an order.

    Per login as many steps bought as sold, else `ticket_mismatch`. `rates`: account currency →
    profit currency to account currency, what P&L is posted with. Only where `close_by`.
    """

    login: int  # the master whose book they are of
    symbol: str
    price: Decimal
    ticket_ids: bytes
    steps: bytes
    rates: dict[str, Decimal]


Allocate = AllocateOpen | AllocateClose | AllocateNetted


class BalanceOperation(Command, frozen=True, kw_only=True):
    """`amount` is positive; deposit adds, withdrawal and fee take. Credit and correction: signed.

    A withdrawal may not exceed free funds, a fee not the balance (`no_money`).
    """

    login: int
    kind: BalanceKind
    amount: Decimal
    comment: str = ""


class CreateAccount(Command, frozen=True, kw_only=True):
    """`login` None: the server's next free one, told in `Done.login`."""

    kind: AccountKind
    currency: str
    leverage: int
    login: int | None = None
    deposit: Decimal = Decimal(0)
    name: str = ""


AnyCommand = (
    SubmitOrder
    | AmendOrder
    | CancelOrder
    | ClosePosition
    | AllocateOpen
    | AllocateClose
    | AllocateNetted
    | BalanceOperation
    | CreateAccount
)
