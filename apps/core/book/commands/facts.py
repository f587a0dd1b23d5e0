"""What a book knows from outside: symbols, accounts, quotes, money; the inputs of a decision."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Literal

import msgspec
import numpy as np

from apps.core.book.codec import Vec, vec
from apps.core.sessions import Sessions


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
    sessions: Sessions = ()


class OwnPosition(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """An open position of an account that is no book's: its owner's own."""

    ticket_id: int
    symbol: str
    side: Literal["buy", "sell"]
    steps: int
    open_points: int


class AccountInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A trading account at the moment it joins: what its server said.

    own_positions: open there and of no block: they count in its equity and its margin.
    server_seq: the server's events up to here are in these figures.
    """

    account_id: int
    login: int
    currency: str
    currency_digits: int
    leverage: int
    balance_minor: int
    own_positions: list[OwnPosition] = []
    server_seq: int = 0
    server_id: int = 0
    """0: the master's own server."""


class AccountTable(msgspec.Struct, frozen=True, kw_only=True):
    """Many trading accounts as vectors, ordered by account id.

    `currency` indexes `currencies`, whose money has `currency_digits`. holds: 1 where the account
    has positions of its own, which a bulk joining does not take up. server_ids: as in AccountInfo;
    none when all live on the master's own server.
    """

    account_ids: Vec
    logins: Vec
    currency: Vec
    leverage: Vec
    balance_minor: Vec
    holds: Vec
    currencies: list[str]
    currency_digits: list[int]
    server_ids: Vec = msgspec.field(default_factory=vec)

    @property
    def size(self) -> int:
        return int(self.account_ids.size)

    def servers(self) -> Iterator[tuple[int, int]]:
        """(account id, server id) of all."""
        known = self.server_ids if self.server_ids.size else np.zeros_like(self.account_ids)
        return zip(self.account_ids.tolist(), known.tolist(), strict=True)


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
    """Everything outside the book that a decision may look at, and is recorded with it.

    accounts: those of a bulk joining. edition: of the book's own rules, so that a record is decided
    again as it was: from 1 on, flows tell the equity before them and free margin counts shares on
    their way.
    """

    now_ms: int
    quotes: dict[str, QuoteIn] = {}
    account: AccountInfo | None = None
    accounts: AccountTable | None = None
    edition: int = 0
    master: MasterMoney | None = None
    quote_max_age_ms: int = 15_000
    margin_level_min_pct: int = 100
    can_net: bool = False
    """Whether the server closes opposite positions of an account against each other."""
