"""Mirror mode: one order per account, and the servers beside the master's."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from apps.core.book.commands.base import Stimulus
from apps.core.book.commands.facts import SymbolInfo

Execution = Literal["auto", "block", "mirror"]


class VenueInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A trading server as a book needs it; `server_id` 0 is the master's own.

    allocates: whether it books shares of a master order on other accounts (block allocation).
    names: the master's symbol → this server's own name of it; empty for the master's own server.
    symbols: specifications under this server's own names, of the names mapped alone.
    cursor: its durable events up to here were before the book knew it.
    """

    server_id: int
    name: str
    allocates: bool
    names: dict[str, str] = {}
    symbols: list[SymbolInfo] = []
    cursor: int = 0


class DefineVenue(Stimulus, frozen=True, kw_only=True, tag="define_venue"):
    """What a server can do and how its symbols map, new or changed; told by the engine."""

    venue: VenueInfo


class SetExecution(Stimulus, frozen=True, kw_only=True, tag="set_execution"):
    """How the next blocks are executed: auto follows the master's server's capabilities."""

    mode: Execution
    placed_by: str = ""


class RetryLegs(Stimulus, frozen=True, kw_only=True, tag="retry_legs"):
    """Send failed legs of an open block again, under fresh ids. `account_ids` None: all of them.

    Only a leg that its server has refused for good can be sent again; one without an outcome is
    settled by asking, never by sending.
    """

    block_id: UUID
    account_ids: list[int] | None = None
    placed_by: str = ""
