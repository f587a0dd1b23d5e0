"""Parameters and results of the simulator's methods."""

from __future__ import annotations

from uuid import UUID

import msgspec

from apps.servers.commands import AnyCommand, SubmitOrder
from apps.servers.simulator.wire import QuoteRow
from apps.servers.types import OrderState, Position, SymbolSpec

PROTOCOL_VERSION = 1


class Nothing(msgspec.Struct, frozen=True):
    pass


class Hello(msgspec.Struct, frozen=True):
    server: str
    token: str
    version: int = PROTOCOL_VERSION


class Welcome(msgspec.Struct, frozen=True):
    """The snapshot at log-in, all of one instant."""

    now_ms: int
    last_seq: int
    symbols: list[SymbolSpec]
    orders: list[OrderState]
    unallocated: list[Position]
    block_allocation: bool = True


class CreateServer(msgspec.Struct, frozen=True):
    name: str
    token: str
    block_allocation: bool = True
    """False: a server that cannot book a master's fill on other accounts, as many cannot."""


class AdminHello(msgspec.Struct, frozen=True):
    admin_token: str


class Execute(msgspec.Struct, frozen=True):
    command: AnyCommand


class Terminal(msgspec.Struct, frozen=True):
    order: SubmitOrder


class Placed(msgspec.Struct, frozen=True):
    order_id: str


class Bust(msgspec.Struct, frozen=True):
    deal_id: str


class Resolve(msgspec.Struct, frozen=True):
    command_id: UUID


class Follow(msgspec.Struct, frozen=True):
    after_seq: int


class QuoteSymbols(msgspec.Struct, frozen=True):
    symbols: list[str]


class OfLogin(msgspec.Struct, frozen=True):
    login: int


class DealsQuery(msgspec.Struct, frozen=True):
    login: int
    since: str
    limit: int


class AccountsQuery(msgspec.Struct, frozen=True):
    after: int
    limit: int


class BarsQuery(msgspec.Struct, frozen=True):
    symbol: str
    from_ms: int
    to_ms: int


class Pong(msgspec.Struct, frozen=True):
    now_ms: int
    last_seq: int


class FeedStart(msgspec.Struct, frozen=True):
    """From now on this connection is the only source of these symbols."""

    symbols: list[str]


class FeedQuotes(msgspec.Struct, frozen=True):
    rows: list[QuoteRow]  # at_ms is ignored: the server stamps its own


class Fed(msgspec.Struct, frozen=True):
    accepted: int


class Fault(msgspec.Struct, frozen=True):
    """Arms a fault for the next `count` occasions on this named server; see `faults`."""

    server: str
    kind: str
    count: int = 1
    delay_ms: int = 0
    steps: int = 0
