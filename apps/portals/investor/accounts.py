"""The investor's accounts as the pages show them: the latest frame's figures, else the record's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from apps.accounts.access import accounts_of, links_of
from apps.accounts.models import Link, TradingAccount, User
from apps.allocation.models import AccountState
from apps.allocation.selectors.accounts import open_tickets, states_of
from apps.core.errors import UnavailableError
from apps.engine import client
from apps.engine.messages import Frame

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Figures:
    """Minor units of the account's currency, as of `at_ms`."""

    balance_minor: int
    equity_minor: int
    floating_minor: int
    margin_minor: int
    at_ms: int

    @property
    def level(self) -> Decimal | None:
        """Margin level as a ratio, rounded down; None while no margin is used."""
        if self.margin_minor <= 0:
            return None
        return Decimal(self.equity_minor * PPM // self.margin_minor) / PPM


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """`link` is the mandate in force, else the last one; `figures` None before the first record."""

    account: TradingAccount
    link: Link | None
    figures: Figures | None

    @property
    def key(self) -> str:
        return str(self.account.public_id)

    @property
    def balance_minor(self) -> int | None:
        return self.figures.balance_minor if self.figures else None

    @property
    def equity_minor(self) -> int | None:
        return self.figures.equity_minor if self.figures else None

    @property
    def floating_minor(self) -> int | None:
        return self.figures.floating_minor if self.figures else None

    @property
    def at_ms(self) -> int | None:
        return self.figures.at_ms if self.figures else None

    @property
    def follows(self) -> bool:
        return self.link is not None and self.link.status not in (
            Link.Status.DETACHED,
            Link.Status.INVITED,
        )


def own_accounts(user: User, broker: str) -> list[OwnAccount]:
    """All of the user's accounts, those that follow a master first."""
    accounts = list(accounts_of(user).order_by("id"))
    links: dict[int, Link] = {}
    for link in links_of(user).select_related("master__manager").order_by("id"):
        kept = links.get(link.account_id)
        if kept is None or kept.status == Link.Status.DETACHED:
            links[link.account_id] = link
    frames = _frames(broker, {link.master.public_id for link in links.values()})
    states = states_of(account.id for account in accounts)
    holding = set(open_tickets(states).values_list("account_id", flat=True))
    own = []
    for account in accounts:
        mandate = links.get(account.id)
        frame = frames.get(mandate.master.public_id) if mandate is not None else None
        figures = _from_frame(frame, account.id)
        if figures is None and (state := states.get(account.id)):
            figures = _from_record(state, flat=account.id not in holding)
        own.append(OwnAccount(account, mandate, figures))
    return sorted(own, key=lambda one: not one.follows)


def _frames(broker: str, book_ids: Iterable[UUID]) -> dict[UUID, Frame]:
    """The books' last frames; none of a book that has none or when they cannot be read."""
    found: dict[UUID, Frame] = {}
    for book_id in book_ids:
        try:
            frame = client.latest_frame(broker, book_id)
        except UnavailableError:
            return found
        if frame is not None:
            found[book_id] = frame
    return found


def _from_record(state: AccountState, *, flat: bool) -> Figures:
    """The balance is exact; what floats is as last marked, and nothing once all is closed."""
    floating = 0 if flat else state.floating_minor
    return Figures(
        state.balance_minor,
        state.balance_minor + floating,
        floating,
        0 if flat else state.margin_minor,
        int(state.marked_at.timestamp() * 1000),
    )


def _from_frame(frame: Frame | None, account_id: int) -> Figures | None:
    row = frame.row(account_id) if frame else None
    if frame is None or row is None:
        return None
    return Figures(row["balance"], row["equity"], row["floating"], row["margin"], frame.at_ms)
