"""Who takes part, and how."""

from __future__ import annotations

from uuid import UUID

from apps.core.allocation import Rule
from apps.core.book.commands import AccountInfo, LinkStatus
from apps.core.book.events.base import BookEvent
from apps.core.book.terms import LinkTerms


class MemberLinked(BookEvent, frozen=True, kw_only=True, tag="member_linked"):
    """An account joined (or joined again, with its carry at zero)."""

    account: AccountInfo


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


class MemberDetaching(BookEvent, frozen=True, kw_only=True, tag="member_detaching"):
    """No new shares from here on; its tickets are being closed by `close_ids`."""

    account_id: int
    close_ids: list[UUID]


class MemberDetached(BookEvent, frozen=True, kw_only=True, tag="member_detached"):
    account_id: int
    balance_minor: int
