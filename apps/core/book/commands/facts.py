"""What a book knows from outside: symbols, accounts, quotes, money; the inputs of a decision."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

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


class AccountInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A trading account at the moment it joins: what its server said."""

    account_id: int
    login: int
    currency: str
    currency_digits: int
    leverage: int
    balance_minor: int
    server_id: int = 0
    """0: the master's own server."""


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
    """Everything outside the book that a decision may look at, and is recorded with it."""

    now_ms: int
    quotes: dict[str, QuoteIn] = {}
    account: AccountInfo | None = None
    master: MasterMoney | None = None
    quote_max_age_ms: int = 15_000
    margin_level_min_pct: int = 100
    can_net: bool = False
    """Whether the server closes opposite positions of an account against each other."""
