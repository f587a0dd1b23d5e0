"""Links, rules and money: who takes part and how."""

from __future__ import annotations

from apps.core.allocation.rule import Rule
from apps.core.book.codec import Vec
from apps.core.book.commands.base import (
    BalanceKind,
    DetachMode,
    JoinMode,
    LeaveMode,
    LinkStatus,
    Stimulus,
)
from apps.core.book.risk.settings import Party
from apps.core.book.terms import NO_TERMS, LinkTerms


class LinkAccount(Stimulus, frozen=True, kw_only=True, tag="link_account"):
    """Let an account take part. The engine adds what its server says of it.

    mode new_trades_only: in blocks from now on. proportional_at_market: also in what is open, at
    today's price: a companion block beside every open block. only_losing: likewise, but only
    beside blocks that stand at a loss now (it enters better than the group did). when_flat: from
    the first moment on at which nothing of the book is open. token: of a quoted joining, that must
    still hold.
    """

    account_id: int
    terms: LinkTerms | None = None
    mode: JoinMode = "new_trades_only"
    token: str = ""
    placed_by: str = ""


class LinkAccounts(Stimulus, frozen=True, kw_only=True, tag="link_accounts"):
    """Let many accounts take part, in one record: account_ids ascending, each once.

    Only new_trades_only and when_flat: whoever takes over open positions is quoted its own cost.
    """

    account_ids: Vec
    mode: JoinMode = "new_trades_only"
    placed_by: str = ""


class UnlinkAccount(Stimulus, frozen=True, kw_only=True, tag="unlink_account"):
    """Take an account out.

    close_at_market: its tickets are closed now, then it is detached. keep_tickets: they leave the
    book as they are, into the account's own care. when_flat: it only closes with the others from
    now on, and is detached when nothing of it is left.
    """

    account_id: int
    mode: LeaveMode = "close_at_market"
    placed_by: str = ""


class DetachTickets(Stimulus, frozen=True, kw_only=True, tag="detach_tickets"):
    """Take tickets of one account out of their blocks; the account goes on following.

    ticket_ids empty: all that it has open. close_at_market: closed now, on that account alone.
    keep_tickets: still open on the server, but no longer the manager's.
    """

    account_id: int
    ticket_ids: list[int] = []
    mode: DetachMode = "close_at_market"
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
    """Pause, restrict to closing, or resume one link. What it holds stays and closes with all.

    An investor resumes only what an investor has restricted.
    """

    account_id: int
    status: LinkStatus
    party: Party = "manager"
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
