"""The state of a book: what replaying its journal gives, and what a snapshot holds.

Per member everything is a vector, aligned with `Members.account_ids` (a member keeps its place
when it leaves). Closed blocks and settled intents are gone from here: the journal has them.
"""

from __future__ import annotations

from typing import Literal, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from apps.core.allocation import Carry, Rule
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import AccountInfo, BalanceKind, OrderKind, Side, SymbolInfo
from apps.core.book.terms import NO_TERMS, LinkTerms
from apps.core.errors import NotFoundError, StateError

ACTIVE, DETACHING, DETACHED, PAUSED, CLOSE_ONLY = 0, 1, 2, 3, 4
STATUS_OF = {"active": ACTIVE, "paused": PAUSED, "close_only": CLOSE_ONLY}

BlockStatus = Literal["pending", "sent", "open", "closed", "cancelled", "rejected"]
TRANSITIONS: dict[tuple[BlockStatus, str], BlockStatus] = {
    ("pending", "allocated"): "sent",
    ("pending", "cancelled"): "cancelled",
    ("pending", "rejected"): "rejected",
    ("sent", "filled"): "open",
    ("sent", "cancelled"): "cancelled",
    ("sent", "rejected"): "rejected",
    ("open", "closed"): "closed",
}


def next_status(status: BlockStatus, event: str) -> BlockStatus:
    """The table above. Raises StateError for a pair it does not have."""
    try:
        return TRANSITIONS[status, event]
    except KeyError:
        raise StateError(
            "block_state", f"A {status} block cannot be {event}.", status=status, event=event
        ) from None


class Group(NamedTuple):
    """Members that share currency and leverage; `places`: their indices."""

    currency: str
    leverage: int
    places: Vec


class Grouped(NamedTuple):
    """`order`: members one group after the other, those of one currency together."""

    order: Vec
    groups: list[tuple[Group, slice]]
    currencies: list[tuple[str, slice]]

    @classmethod
    def of(cls, groups: list[Group]) -> Grouped:
        slices: list[tuple[Group, slice]] = []
        currencies: dict[str, slice] = {}
        at = 0
        for group in groups:
            end = at + group.places.size
            slices.append((group, slice(at, end)))
            first = currencies.get(group.currency, slice(at, at)).start
            currencies[group.currency] = slice(first, end)
            at = end
        order = np.concatenate([group.places for group in groups]) if groups else vec()
        return cls(order, slices, list(currencies.items()))

    def in_place(self, ordered: Vec) -> Vec:
        """A vector in `order`, back in the members' own."""
        result = np.empty_like(ordered)
        result[self.order] = ordered
        return result


class Members(msgspec.Struct):
    """The sub-accounts, int64[n] each; `currency` indexes `BookState.currencies`."""

    account_ids: Vec = msgspec.field(default_factory=vec)
    logins: Vec = msgspec.field(default_factory=vec)
    currency: Vec = msgspec.field(default_factory=vec)
    leverage: Vec = msgspec.field(default_factory=vec)
    balance_minor: Vec = msgspec.field(default_factory=vec)
    status: Vec = msgspec.field(default_factory=vec)

    @property
    def size(self) -> int:
        return int(self.account_ids.size)


class Exposure(msgspec.Struct):
    """Open volume per member in one symbol: steps, and Σ steps · open points, per side."""

    long_steps: Vec
    long_cost: Vec
    short_steps: Vec
    short_cost: Vec

    @classmethod
    def zero(cls, size: int) -> Exposure:
        return cls(*(np.zeros(size, dtype=np.int64) for _ in range(4)))


class CarryState(msgspec.Struct):
    """Carry of one symbol, aligned with the members (apps.core.allocation.Carry)."""

    numerators: Vec
    denominator: int = 1

    def as_carry(self) -> Carry:
        return Carry(self.numerators, self.denominator)


class Fills(msgspec.Struct):
    """What an order was filled so far."""

    deal_ids: list[str] = []
    steps: int = 0
    point_steps: int = 0


class Block(msgspec.Struct, kw_only=True):
    """An open or pending block. Ticket vectors are in ticket order."""

    block_id: UUID
    symbol: str
    side: Side
    kind: OrderKind
    price_points: int | None
    requested_steps: int
    rule: Rule
    participants: Vec
    manual_accounts: Vec = msgspec.field(default_factory=vec)
    manual_steps: Vec = msgspec.field(default_factory=vec)
    sl_points: int | None = None
    tp_points: int | None = None
    expires_at_ms: int | None = None
    status: BlockStatus = "pending"
    order_steps: int = 0
    open_points: int = 0
    first_ticket_id: int = 0
    members: Vec = msgspec.field(default_factory=vec)
    """Index of each ticket's member."""
    target_steps: Vec = msgspec.field(default_factory=vec)
    open_steps: Vec = msgspec.field(default_factory=vec)
    closing_steps: Vec = msgspec.field(default_factory=vec)
    base_steps: Vec = msgspec.field(default_factory=vec)
    """What partial closes are shared by: the steps at the last re-basing."""
    given_steps: Vec = msgspec.field(default_factory=vec)
    """Of these, closed or being closed."""
    fills: Fills = msgspec.field(default_factory=Fills)

    @property
    def sign(self) -> int:
        return 1 if self.side == "buy" else -1

    @property
    def ticket_ids(self) -> Vec:
        return self.first_ticket_id + np.arange(self.members.size, dtype=np.int64)


class Close(msgspec.Struct, kw_only=True):
    """A closing order on its way. `ordinals` index the block's tickets."""

    close_id: UUID
    block_id: UUID
    ordinals: Vec
    steps: Vec
    order_steps: int
    detaches: bool
    fills: Fills = msgspec.field(default_factory=Fills)


class SubmitIntent(msgspec.Struct, frozen=True, kw_only=True, tag="submit"):
    """Send one master order. `order_id` is its command id at the server.

    An opening order that nobody has seen long after `decided_at_ms` is not sent any more.
    """

    order_id: UUID
    symbol: str
    side: Side
    steps: int
    kind: OrderKind
    price_points: int | None
    closing: bool
    decided_at_ms: int


class CancelIntent(msgspec.Struct, frozen=True, kw_only=True, tag="cancel"):
    cancel_id: UUID
    order_id: UUID


class BookingIntent(msgspec.Struct, frozen=True, kw_only=True, tag="booking"):
    """Have the server book a fill on the sub-accounts; `pnl_minor` is ours, to compare."""

    booking_id: UUID
    closing: bool
    symbol: str
    deal_ids: list[str]
    price_points: int
    account_ids: Vec
    logins: Vec
    ticket_ids: Vec
    steps: Vec
    pnl_minor: Vec


class BalanceIntent(msgspec.Struct, frozen=True, kw_only=True, tag="balance"):
    """`amount_minor` is signed."""

    operation_id: UUID
    account_id: int
    login: int
    kind: BalanceKind
    amount_minor: int
    currency_digits: int
    comment: str


Intent = SubmitIntent | CancelIntent | BookingIntent | BalanceIntent


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
                for name, s in sorted(self.symbols.items(), reverse=True)
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
        """Raises NotFoundError `unknown_symbol`."""
        found = self.symbols.get(name)
        if found is None:
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
