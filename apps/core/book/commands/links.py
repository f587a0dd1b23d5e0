"""Links, rules and money: who takes part and how."""

from __future__ import annotations

from apps.core.allocation.rule import Rule
from apps.core.book.commands.base import BalanceKind, LinkStatus, Stimulus
from apps.core.book.terms import NO_TERMS, LinkTerms


class LinkAccount(Stimulus, frozen=True, kw_only=True, tag="link_account"):
    """Let an account take part in blocks from now on. The engine adds what its server says."""

    account_id: int
    terms: LinkTerms | None = None
    placed_by: str = ""


class UnlinkAccount(Stimulus, frozen=True, kw_only=True, tag="unlink_account"):
    """Take an account out: its tickets are closed at the market, then it is detached."""

    account_id: int
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
