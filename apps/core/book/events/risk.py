"""Limits, references and stops. Money in minor units: of the account, of the book for a master."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from apps.core.book.codec import Vec, vec
from apps.core.book.events.base import BookEvent
from apps.core.book.risk.settings import Party, Protection, Scope, StopPhase, StopReason


class ProtectionSet(BookEvent, frozen=True, kw_only=True, tag="protection_set"):
    """One party's limits from here on."""

    scope: Scope
    account_id: int | None
    party: Party
    protection: Protection


class ReferencesStarted(BookEvent, frozen=True, kw_only=True, tag="references_started"):
    """What limits are measured from begins here: peak, initial, day's start. Vectors aligned."""

    account_ids: Vec
    balance_minor: Vec
    equity_minor: Vec


class MasterReferenceStarted(BookEvent, frozen=True, kw_only=True, tag="master_reference_started"):
    balance_minor: int
    equity_minor: int


class MasterFlowed(BookEvent, frozen=True, kw_only=True, tag="master_flowed"):
    """Money or accounts came or went: the master's references move by it (book's currency)."""

    amount_minor: int


class PeaksSeen(BookEvent, frozen=True, kw_only=True, tag="peaks_seen"):
    """Higher equity than the recorded peaks; account 0 is the master."""

    account_ids: Vec
    peaks_minor: Vec


class DayStarted(BookEvent, frozen=True, kw_only=True, tag="day_started"):
    """The watched accounts at the start of the broker's day; balances are the state's own."""

    day: str
    account_ids: Vec
    equity_minor: Vec
    master_balance_minor: int = 0
    master_equity_minor: int = 0


class StopTriggered(BookEvent, frozen=True, kw_only=True, tag="stop_triggered"):
    """A stop begins: the account (None: the book) only closes from here on.

    equity at or below level; reference: what the level was made of (peak, day's start …).
    """

    stop_id: UUID
    account_id: int | None
    reason: StopReason
    party: Party
    equity_minor: int
    level_minor: int
    reference_minor: int
    at_ms: int


class SharesWithdrawn(BookEvent, frozen=True, kw_only=True, tag="shares_withdrawn"):
    """Accounts no longer take part in a block that waits."""

    block_id: UUID
    account_ids: Vec


class StopsAdvanced(BookEvent, frozen=True, kw_only=True, tag="stops_advanced"):
    """Stops of these accounts are in `phase` now, tried again not before `not_before_ms`.

    `is_master`: the book's own stop. `attempts`: how often closing was begun, at most.
    """

    phase: StopPhase
    account_ids: Vec = msgspec.field(default_factory=vec)
    is_master: bool = False
    attempts: int = 0
    not_before_ms: int = 0
    at_ms: int = 0


class FlatAsked(BookEvent, frozen=True, kw_only=True, tag="flat_asked"):
    """The trading server is asked what these accounts (0: the master) still hold."""

    check_id: UUID
    account_ids: Vec


class FlatAnswered(BookEvent, frozen=True, kw_only=True, tag="flat_answered"):
    check_id: UUID
    open_account_ids: Vec


class StopLifted(BookEvent, frozen=True, kw_only=True, tag="stop_lifted"):
    """A blocked account (None: the book) trades again."""

    stop_id: UUID
    account_id: int | None
    party: Party
    placed_by: str
    at_ms: int


class TicketClosedByServer(BookEvent, frozen=True, kw_only=True, tag="ticket_closed_by_server"):
    """The trading server closed it: P&L as the server booked it; the block is re-based."""

    ticket_id: int
    block_id: UUID
    account_id: int
    deal_id: str
    steps: int
    price_points: int
    pnl_minor: int
    reason: Literal["stop_out", "server"]
    at_ms: int
