"""What a statement holds, as frozen records. Money is Decimal in the account's currency.

Times are naive and in the trading server's zone, as printed; `printed_at` is in the zone of the
computer that printed the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

Side = Literal["buy", "sell"]


@dataclass(frozen=True, slots=True)
class Trade:
    """A closed trade, or an open one (`closed_at` None, `close_price` the current price).

    `note` is what MetaTrader put on the ticket: "[sl]", "[tp]", a comment.
    """

    line: int
    ticket: int
    side: Side
    symbol: str
    lots: Decimal
    opened_at: datetime
    open_price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    closed_at: datetime | None
    close_price: Decimal
    commission: Decimal
    taxes: Decimal
    swap: Decimal
    profit: Decimal
    note: str = ""

    @property
    def net(self) -> Decimal:
        """Commission + taxes + swap + profit."""
        return self.commission + self.taxes + self.swap + self.profit


@dataclass(frozen=True, slots=True)
class PendingOrder:
    """A pending order: cancelled (`ended_at`, `outcome`) or still working."""

    line: int
    ticket: int
    kind: str  # "buy limit", "sell stop", …
    symbol: str
    lots: Decimal
    placed_at: datetime
    price: Decimal
    stop_loss: Decimal
    take_profit: Decimal
    market_price: Decimal
    ended_at: datetime | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class BalanceLine:
    """Money in (+) or out (−) without a trade. `kind` is "balance" or "credit"."""

    line: int
    ticket: int
    kind: Literal["balance", "credit"]
    at: datetime
    comment: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """A section's own totals row, and the sum printed below it."""

    commission: Decimal
    taxes: Decimal
    swap: Decimal
    profit: Decimal
    net: Decimal


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole detailed statement. `summary` maps MetaTrader's labels to the text it printed."""

    account: str
    name: str
    currency: str
    leverage: int
    printed_at: datetime
    closed: tuple[Trade, ...]
    cancelled: tuple[PendingOrder, ...]
    flows: tuple[BalanceLine, ...]
    open: tuple[Trade, ...]
    working: tuple[PendingOrder, ...]
    closed_totals: Totals
    open_totals: Totals
    summary: dict[str, str]
