"""Who takes part, and how."""

from __future__ import annotations

from uuid import UUID

import msgspec

from apps.core.allocation import Rule
from apps.core.book.codec import Vec
from apps.core.book.commands import AccountInfo, AccountTable, JoinMode, LeaveMode, LinkStatus, Side
from apps.core.book.events.base import BookEvent
from apps.core.book.risk.settings import Party
from apps.core.book.terms import LinkTerms


class MemberLinked(BookEvent, frozen=True, kw_only=True, tag="member_linked"):
    """An account joined (or joined again, with its carry at zero); `waits`: for a flat book."""

    account: AccountInfo
    mode: JoinMode = "new_trades_only"
    waits: bool = False


class MembersLinked(BookEvent, frozen=True, kw_only=True, tag="members_linked"):
    """Many accounts joined in one record."""

    accounts: AccountTable
    mode: JoinMode
    waits: bool


class JoinShare(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a joining account takes over of one open block: `steps` in the companion `block_id`.

    Nothing (steps 0) with the reason's code: not_losing, below_min, nothing_allocated …
    """

    parent_id: UUID
    block_id: UUID | None = None
    steps: int = 0
    code: str = ""


class JoinDecided(BookEvent, frozen=True, kw_only=True, tag="join_decided"):
    """Which of the open blocks a joining account takes over, and why not the others."""

    account_id: int
    mode: JoinMode
    shares: list[JoinShare]


class MembersActivated(BookEvent, frozen=True, kw_only=True, tag="members_activated"):
    """The book is flat: the accounts that waited for it take part from here on."""

    account_ids: Vec
    at_ms: int


class RuleSet(BookEvent, frozen=True, kw_only=True, tag="rule_set"):
    """The book's rule and default terms from here on."""

    rule: Rule
    defaults: LinkTerms


class LinkTermsSet(BookEvent, frozen=True, kw_only=True, tag="link_terms_set"):
    account_id: int
    terms: LinkTerms


class LinkStatusSet(BookEvent, frozen=True, kw_only=True, tag="link_status_set"):
    account_id: int
    status: LinkStatus
    party: Party = "manager"


class MemberDetaching(BookEvent, frozen=True, kw_only=True, tag="member_detaching"):
    """No new shares from here on; its tickets are being closed by `close_ids`, or (mode) kept, or
    closed with the others'."""

    account_id: int
    close_ids: list[UUID]
    mode: LeaveMode = "close_at_market"


class TicketsReleased(BookEvent, frozen=True, kw_only=True, tag="tickets_released"):
    """Tickets of one account left their block into the account's own care: open on the server,
    no longer the book's. steps: open ones, per ticket."""

    block_id: UUID
    account_id: int
    symbol: str
    side: Side
    open_points: int
    ticket_ids: Vec
    steps: Vec
    at_ms: int


class OwnTicketReduced(BookEvent, frozen=True, kw_only=True, tag="own_ticket_reduced"):
    """Its owner closed (part of) a ticket in its own care. pnl_minor: what the server posted."""

    account_id: int
    ticket_id: int
    deal_id: str
    steps: int
    price_points: int
    pnl_minor: int
    at_ms: int


class MemberDetached(BookEvent, frozen=True, kw_only=True, tag="member_detached"):
    account_id: int
    balance_minor: int
