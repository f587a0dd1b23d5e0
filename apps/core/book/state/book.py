"""The whole of a book."""

from __future__ import annotations

from uuid import UUID

import msgspec
import numpy as np

from apps.core.allocation import Rule
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import AccountInfo, AccountTable, SymbolInfo
from apps.core.book.state.blocks import Block, Close
from apps.core.book.state.intents import Intent
from apps.core.book.state.members import (
    ACTIVE,
    DETACHED,
    CarryState,
    Exposure,
    Group,
    Grouped,
    Members,
    OwnTicket,
)
from apps.core.book.state.mirror import Mirror
from apps.core.book.state.risk import RiskState
from apps.core.book.terms import NO_TERMS, LinkTerms
from apps.core.errors import NotFoundError
from apps.core.sessions import Sessions

KEPT_ENDED = 256


class BookState(msgspec.Struct, dict=True):
    """Everything. `intents`: durable, without outcome yet, in the order they arose."""

    book_id: UUID
    book_no: int
    master_login: int
    currency: str
    currency_digits: int
    next_ticket_id: int
    currencies: list[str]
    digits_of: dict[str, int]
    members: Members
    symbols: dict[str, SymbolInfo] = {}
    exposures: dict[str, Exposure] = {}
    carries: dict[str, CarryState] = {}
    blocks: dict[UUID, Block] = {}
    closes: dict[UUID, Close] = {}
    intents: dict[UUID, Intent] = {}
    server_seq: int = 0
    rule: Rule | None = None
    defaults: LinkTerms = NO_TERMS
    terms: dict[int, LinkTerms] = {}
    risk: RiskState = msgspec.field(default_factory=RiskState)
    own_tickets: dict[int, OwnTicket] = {}
    """By ticket id, of members that are not detached."""
    mirror: Mirror = msgspec.field(default_factory=Mirror)
    ended_orders: dict[UUID, bool] = {}
    """Orders that ended before they were filled whole, the last of them: was it a closing one?"""

    @property
    def index(self) -> dict[int, int]:
        """account id → place in the member vectors."""
        cached: dict[int, int] | None = self.__dict__.get("_index")
        if cached is None or len(cached) != self.members.size:
            cached = {int(a): i for i, a in enumerate(self.members.account_ids)}
            self.__dict__["_index"] = cached
        return cached

    def places(self, account_ids: Vec) -> Vec:
        """Places of many accounts, all of them members."""
        cached: tuple[Vec, Vec] | None = self.__dict__.get("_sorted")
        if cached is None or cached[0].size != self.members.size:
            order = np.argsort(self.members.account_ids)
            cached = self.__dict__["_sorted"] = (order, self.members.account_ids[order])
        order, ids = cached
        if account_ids.size == ids.size and bool((account_ids == self.members.account_ids).all()):
            return np.arange(ids.size, dtype=np.int64)
        found: Vec = order[np.searchsorted(ids, account_ids)]
        return found

    @property
    def groups(self) -> list[Group]:
        """Members by (currency, leverage): money is converted once per group, not per member."""
        cached: list[Group] | None = self.__dict__.get("_groups")
        if cached is None:
            keys = self.members.currency << 32 | self.members.leverage
            cached = [
                Group(
                    self.currencies[int(key) >> 32],
                    int(key) & 0xFFFFFFFF,
                    np.flatnonzero(keys == key),
                )
                for key in np.unique(keys)
            ]
            self.__dict__["_groups"] = cached
        return cached

    @property
    def grouped(self) -> Grouped:
        """The groups as slices of one ordering: a slice costs nothing, an index vector does."""
        groups = self.groups
        cached: tuple[list[Group], Grouped] | None = self.__dict__.get("_grouped")
        if cached is None or cached[0] is not groups:
            cached = self.__dict__["_grouped"] = (groups, Grouped.of(groups))
        return cached[1]

    @property
    def pairs(self) -> dict[tuple[str, str], str]:
        """(base, quote) → the symbol that prices it, for conversions."""
        cached: dict[tuple[str, str], str] | None = self.__dict__.get("_pairs")
        if cached is None:
            cached = {
                (s.base_currency, s.quote_currency): name
                for name, s in sorted(
                    self.symbols.items(), key=lambda one: ("@" in one[0], one[0]), reverse=True
                )
                if s.margin_mode == "fx"
            }
            self.__dict__["_pairs"] = cached
        return cached

    def set_terms(self, account_id: int, terms: LinkTerms | None) -> None:
        self.terms.pop(account_id, None)
        if terms is not None and terms != NO_TERMS:
            self.terms[account_id] = terms
        self.__dict__.pop("_terms", None)

    def define_symbol(self, symbol: SymbolInfo) -> None:
        self.symbols[symbol.name] = symbol
        self.__dict__.pop("_pairs", None)
        self.__dict__.pop("_sessions", None)

    @property
    def sessions(self) -> dict[str, Sessions]:
        """When each symbol trades, of those that do not always."""
        cached: dict[str, Sessions] | None = self.__dict__.get("_sessions")
        if cached is None:
            found = {name: s.sessions for name, s in self.symbols.items() if s.sessions}
            cached = self.__dict__["_sessions"] = found
        return cached

    def end_order(self, order_id: UUID, *, closing: bool) -> None:
        """Remember an order that ended early: a fill of it may still come."""
        self.ended_orders[order_id] = closing
        while len(self.ended_orders) > KEPT_ENDED:
            del self.ended_orders[next(iter(self.ended_orders))]

    def member(self, account_id: int) -> int:
        """Place of an account that is not detached. Raises NotFoundError `account_not_linked`."""
        at = self.index.get(account_id)
        if at is None or self.members.status[at] == DETACHED:
            raise NotFoundError(
                "account_not_linked",
                f"Account {account_id} is not linked to this book.",
                account_id=account_id,
            )
        return at

    def known(self, account_id: int) -> int:
        """Place of an account that is or was linked. Raises NotFoundError `account_not_linked`."""
        at = self.index.get(account_id)
        return self.member(account_id) if at is None else at

    def block(self, block_id: UUID) -> Block:
        """A block that is not finished. Raises NotFoundError `block_not_open`."""
        block = self.blocks.get(block_id)
        if block is None:
            raise NotFoundError(
                "block_not_open",
                f"This book has no pending or open block {block_id}.",
                block_id=str(block_id),
            )
        return block

    def symbol(self, name: str) -> SymbolInfo:
        """One of the master's server. Raises NotFoundError `unknown_symbol`."""
        found = self.symbols.get(name)
        if found is None or "@" in name:
            raise NotFoundError(
                "unknown_symbol", f"The trading server has no symbol {name!r}.", symbol=name
            )
        return found

    def exposure(self, symbol: str) -> Exposure:
        if symbol not in self.exposures:
            self.exposures[symbol] = Exposure.zero(self.members.size)
        return self.exposures[symbol]

    def currency_place(self, currency: str, digits: int) -> int:
        """Index of a currency in `currencies`, added when new."""
        if currency not in self.digits_of:
            self.currencies.append(currency)
            self.digits_of[currency] = digits
        return self.currencies.index(currency)

    def add_member(self, account: AccountInfo) -> int:
        """Append a member, or revive a detached one with its carry at zero; its place."""
        at = self._add_row(account)
        for own in account.own_positions:
            self.own_tickets[own.ticket_id] = OwnTicket(
                account_id=account.account_id,
                symbol=own.symbol,
                side=own.side,
                steps=own.steps,
                open_points=own.open_points,
                since_seq=account.server_seq,
            )
            self._expose_own(at, self.own_tickets[own.ticket_id], own.steps)
        return at

    def _expose_own(self, at: int, ticket: OwnTicket, steps: int) -> None:
        exposure = self.exposure(ticket.symbol)
        side = "long" if ticket.side == "buy" else "short"
        getattr(exposure, f"{side}_steps")[at] += steps
        getattr(exposure, f"{side}_cost")[at] += steps * ticket.open_points

    def drop_own_tickets(self, account_id: int) -> None:
        """A detached account's own tickets are nothing of this book's any more."""
        mine = [key for key, one in self.own_tickets.items() if one.account_id == account_id]
        for key in mine:
            ticket = self.own_tickets.pop(key)
            self._expose_own(self.index[account_id], ticket, -ticket.steps)

    def add_members(self, table: AccountTable) -> Vec:
        """`add_member` for many, in one pass; their places."""
        members, size = self.members, self.members.size
        numbers = np.array(
            [
                self.currency_place(name, digits)
                for name, digits in zip(table.currencies, table.currency_digits, strict=True)
            ],
            dtype=np.int64,
        )
        columns = {
            "account_ids": table.account_ids,
            "logins": table.logins,
            "currency": numbers[table.currency],
            "leverage": table.leverage,
            "balance_minor": table.balance_minor,
            "status": np.full(table.size, ACTIVE, dtype=np.int64),
        }
        is_old = np.isin(table.account_ids, members.account_ids)
        old = self.places(table.account_ids[is_old]) if is_old.any() else vec()
        for name, values in columns.items():
            getattr(members, name)[old] = values[is_old]
            setattr(members, name, np.concatenate((getattr(members, name), values[~is_old])))
        new = members.size - size
        for exposure in self.exposures.values():
            for name in exposure.__struct_fields__:
                setattr(exposure, name, np.pad(getattr(exposure, name), (0, new)))
        for carry in self.carries.values():
            carry.numerators[old] = 0
            carry.numerators = np.pad(carry.numerators, (0, new))
        for account_id in table.account_ids[is_old].tolist():
            self.set_terms(account_id, None)
        for cached in ("_groups", "_index", "_sorted", "_terms"):
            self.__dict__.pop(cached, None)
        return self.places(table.account_ids)

    def _add_row(self, account: AccountInfo) -> int:
        members = self.members
        place = self.currency_place(account.currency, account.currency_digits)
        row = {
            "account_ids": account.account_id,
            "logins": account.login,
            "currency": place,
            "leverage": account.leverage,
            "balance_minor": account.balance_minor,
            "status": ACTIVE,
        }
        index = self.index
        self.__dict__.pop("_groups", None)
        self.set_terms(account.account_id, None)
        at = index.get(account.account_id)
        if at is not None:
            for name, value in row.items():
                getattr(members, name)[at] = value
            self.clear_carry(at)
            return at
        for name, value in row.items():
            setattr(members, name, np.append(getattr(members, name), np.int64(value)))
        for exposure in self.exposures.values():
            for name in exposure.__struct_fields__:
                setattr(exposure, name, np.append(getattr(exposure, name), np.int64(0)))
        for carry in self.carries.values():
            carry.numerators = np.append(carry.numerators, np.int64(0))
        index[account.account_id] = members.size - 1
        return members.size - 1

    def clear_carry(self, at: int) -> None:
        """A leaving account takes its carry away."""
        for carry in self.carries.values():
            carry.numerators[at] = 0


def new_book(
    book_id: UUID, book_no: int, master_login: int, currency: str, currency_digits: int
) -> BookState:
    """An empty book. Ticket ids start at book_no · 2^32 + 1: unique within a broker."""
    return BookState(
        book_id=book_id,
        book_no=book_no,
        master_login=master_login,
        currency=currency,
        currency_digits=currency_digits,
        next_ticket_id=(book_no << 32) + 1,
        currencies=[currency],
        digits_of={currency: currency_digits},
        members=Members(),
    )
