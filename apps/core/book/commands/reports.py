"""Reports: what the engine and the trading server tell a book."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

from apps.core.book.commands.base import Side, Stimulus
from apps.core.book.commands.facts import SymbolInfo


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


class TrailStop(Stimulus, frozen=True, kw_only=True, tag="trail_stop"):
    """The quote that this record holds is better for an open block by a trailing step or more."""

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
    server_id: int = 0
    position_id: int | None = None
    profit: Decimal | None = None
    """Of a leg: the server's position, and what it posted for a closing, in account currency."""
    symbol: str = ""
    side: Side | None = None
    """With the symbol: what to do with a fill that comes after its order's end."""


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


class BustReported(Stimulus, frozen=True, kw_only=True, tag="bust"):
    """The server took `busted_deal_id` back by `deal_id`: same volume and price, the other side."""

    busted_deal_id: str
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


class OwnTicketClosed(Stimulus, frozen=True, kw_only=True, tag="own_ticket_closed"):
    """The account's owner closed (part of) a ticket that it had taken out of the book."""

    ticket_id: int
    deal_id: str
    steps: int
    price_points: int
    pnl_minor: int
    server_seq: int
    at_ms: int
