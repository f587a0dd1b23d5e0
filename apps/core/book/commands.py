"""What a book can be asked to do (commands), and what it is told (reports).

Both are *stimuli*: whatever changes a book passes `decide` as one of these. `command_id` is
chosen by the caller and is the key of idempotency: a book holds one record for each.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from apps.core.allocation.rule import Rule
from apps.core.book.terms import NO_TERMS, LinkTerms

Side = Literal["buy", "sell"]
OrderKind = Literal["market", "limit", "stop"]
BalanceKind = Literal["deposit", "withdrawal", "fee"]
LinkStatus = Literal["active", "paused", "close_only"]
Expiry = Literal["gtc", "day", "date"]


class Stimulus(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """The root: every stimulus carries the id that makes it unique in its book."""

    command_id: UUID


class SymbolInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol as the book needs it. Volumes in steps, contract in units of the base per lot."""

    name: str
    digits: int
    contract_size: Decimal
    volume_step: Decimal
    min_steps: int
    max_steps: int
    base_currency: str
    quote_currency: str
    margin_currency: str
    margin_mode: Literal["fx", "cfd"]
    max_leverage: int


class AccountInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A trading account at the moment it joins: what its server said."""

    account_id: int
    login: int
    currency: str
    currency_digits: int
    leverage: int
    balance_minor: int


class PlaceBlock(Stimulus, frozen=True, kw_only=True, tag="place_block"):
    """One master order to be divided. Its block id is its command id.

    `volume_lots` is what is asked for; the order sent is the sum of the sub-accounts' shares.
    `price` is the limit or stop price and must be None for a market order. `rule`: None is the
    book's. `manual_lots`: account id → lots of this one order, in place of what the rule gives.
    `stop_loss`, `take_profit`: prices, the same for all accounts. `expires_at_ms` goes with
    `expiry` "date"; a "day" ends with the UTC day. `token`: of a preview that must still hold.
    """

    symbol: str
    side: Side
    volume_lots: Decimal
    kind: OrderKind = "market"
    price: Decimal | None = None
    rule: Rule | None = None
    manual_lots: dict[int, Decimal] = {}
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    expiry: Expiry = "gtc"
    expires_at_ms: int | None = None
    token: str = ""
    comment: str = ""
    placed_by: str = ""


class AmendBlock(Stimulus, frozen=True, kw_only=True, tag="amend_block"):
    """Change a block. None leaves a thing as it is; a stop loss or take profit of 0 removes it.

    Price and volume are those of a pending block; SL and TP also of one that is open.
    """

    block_id: UUID
    price: Decimal | None = None
    volume_lots: Decimal | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    placed_by: str = ""


class CloseAll(Stimulus, frozen=True, kw_only=True, tag="close_all"):
    """Close every open block, or those in one symbol, each at one price."""

    symbol: str | None = None
    placed_by: str = ""


class CancelAll(Stimulus, frozen=True, kw_only=True, tag="cancel_all"):
    """Cancel everything that waits, or what waits in one symbol."""

    symbol: str | None = None
    placed_by: str = ""


class SetRule(Stimulus, frozen=True, kw_only=True, tag="set_rule"):
    """The rule of orders that bring none, and the terms of links that have none of their own."""

    rule: Rule
    defaults: LinkTerms = NO_TERMS
    placed_by: str = ""


class SetLinkTerms(Stimulus, frozen=True, kw_only=True, tag="set_link_terms"):
    """The parameters and caps of one link, all of them, from the next allocation on."""

    account_id: int
    terms: LinkTerms
    placed_by: str = ""


class SetLinkStatus(Stimulus, frozen=True, kw_only=True, tag="set_link_status"):
    """Pause, restrict to closing, or resume one link. What it holds stays and closes with all."""

    account_id: int
    status: LinkStatus
    placed_by: str = ""


class CloseBlock(Stimulus, frozen=True, kw_only=True, tag="close_block"):
    """Close a block whole (neither given) or in part: lots, or a fraction of what is open.

    Its close id is its command id.
    """

    block_id: UUID
    volume_lots: Decimal | None = None
    fraction: Decimal | None = None
    placed_by: str = ""


class CancelBlock(Stimulus, frozen=True, kw_only=True, tag="cancel_block"):
    """Cancel a pending block, or what is not filled of its order at the server."""

    block_id: UUID
    placed_by: str = ""


class LinkAccount(Stimulus, frozen=True, kw_only=True, tag="link_account"):
    """Let an account take part in blocks from now on. The engine adds what its server says."""

    account_id: int
    terms: LinkTerms | None = None
    placed_by: str = ""


class UnlinkAccount(Stimulus, frozen=True, kw_only=True, tag="unlink_account"):
    """Take an account out: its tickets are closed at the market, then it is detached."""

    account_id: int
    placed_by: str = ""


class AdjustBalance(Stimulus, frozen=True, kw_only=True, tag="adjust_balance"):
    """Deposit, withdrawal or fee. `amount_minor` > 0; the kind gives the sign.

    former: also of an account that left this book, to take a fee it still owes or to give one
    back. Whoever asks knows that the account follows no other book.

    Answered when the trading server has settled it: result `status` is done or rejected.
    """

    account_id: int
    kind: BalanceKind
    amount_minor: int
    comment: str = ""
    placed_by: str = ""
    former: bool = False


Command = (
    PlaceBlock
    | AmendBlock
    | CloseBlock
    | CloseAll
    | CancelBlock
    | CancelAll
    | LinkAccount
    | UnlinkAccount
    | SetRule
    | SetLinkTerms
    | SetLinkStatus
    | AdjustBalance
)


class OpenBook(Stimulus, frozen=True, kw_only=True, tag="open_book"):
    """The first record of every book. `book_no` makes ticket ids unique within a broker."""

    book_id: UUID
    book_no: int
    master_login: int
    currency: str
    currency_digits: int
    server_seq: int = 0
    """The server's events up to here were before the book: nothing in them is taken up."""


class DefineSymbols(Stimulus, frozen=True, kw_only=True, tag="define_symbols"):
    """The trading server's specifications, new or changed."""

    symbols: list[SymbolInfo]


class TriggerBlock(Stimulus, frozen=True, kw_only=True, tag="trigger_block"):
    """A pending block's price was reached by the quote that this record holds."""

    block_id: UUID


class StopBlock(Stimulus, frozen=True, kw_only=True, tag="stop_block"):
    """An open block's stop loss or take profit was reached by the quote that this record holds."""

    block_id: UUID


class ExpireBlock(Stimulus, frozen=True, kw_only=True, tag="expire_block"):
    """A pending block's time is over."""

    block_id: UUID


class FillReported(Stimulus, frozen=True, kw_only=True, tag="fill"):
    """The master order `order_id` was executed, whole or in part. Only this moves a book.

    `cum_steps` counts everything filled of the order so far, `leaves_steps` what is still open.
    `rates`: quote currency → account currency, for every currency, at this fill.
    """

    order_id: UUID
    deal_id: str
    steps: int
    cum_steps: int
    leaves_steps: int
    price_points: int
    rates: dict[str, Decimal]
    server_seq: int
    at_ms: int


class OutsideFill(Stimulus, frozen=True, kw_only=True, tag="outside_fill"):
    """A deal on the master's login that no command of ours asked for."""

    deal_id: str
    symbol: str
    side: Side
    steps: int
    price_points: int
    rates: dict[str, Decimal]
    server_seq: int
    at_ms: int


class OrderEnded(Stimulus, frozen=True, kw_only=True, tag="order_ended"):
    """The master order ended without (more) fills: rejected, cancelled or expired."""

    order_id: UUID
    how: Literal["rejected", "cancelled", "expired"]
    code: str
    raw: str = ""


class CancelReported(Stimulus, frozen=True, kw_only=True, tag="cancel_report"):
    """The server answered a request to cancel."""

    cancel_id: UUID
    done: bool
    code: str = ""


class BookingReported(Stimulus, frozen=True, kw_only=True, tag="booking"):
    """The server booked (or refused) the shares of a fill on the sub-accounts.

    `differences`: account id (as text) → its P&L minus ours in minor units, where they differ.
    """

    booking_id: UUID
    done: bool
    code: str = ""
    raw: str = ""
    differences: dict[str, int] = {}


class BalanceReported(Stimulus, frozen=True, kw_only=True, tag="balance"):
    """The server settled a balance operation."""

    operation_id: UUID
    done: bool
    code: str = ""
    raw: str = ""


Report = (
    OpenBook
    | DefineSymbols
    | TriggerBlock
    | StopBlock
    | ExpireBlock
    | FillReported
    | OutsideFill
    | OrderEnded
    | CancelReported
    | BookingReported
    | BalanceReported
)
AnyStimulus = Command | Report


class QuoteIn(msgspec.Struct, frozen=True, array_like=True):
    """Bid and ask in points of the symbol's digits, and when this process received them."""

    bid: int
    ask: int
    at_ms: int


class MasterMoney(msgspec.Struct, frozen=True, kw_only=True):
    """What the master's account is worth, in minor units of the book's currency."""

    balance_minor: int
    equity_minor: int
    at_ms: int


class Inputs(msgspec.Struct, kw_only=True):
    """Everything outside the book that a decision may look at, and is recorded with it."""

    now_ms: int
    quotes: dict[str, QuoteIn] = {}
    account: AccountInfo | None = None
    master: MasterMoney | None = None
    quote_max_age_ms: int = 15_000
    margin_level_min_pct: int = 100
