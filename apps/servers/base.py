"""The neutral trading server: one Protocol, ten guarantees, no trace of any vendor.

Guarantees every adapter keeps (tests/servers/conformance.py proves them on each):

 1. Idempotent by `command_id`, which the caller persists *before* calling. Repeats return the
    stored outcome. Where `native_dedupe` is false nothing is re-sent once bytes have left.
 2. Three outcomes: `Done`, `Rejected`, `Unknown`. Unknown is never success nor rejection;
    `resolve` settles it.
 3. Ack ≠ execution: only a `Fill` moves a book. Ack and events of one command may arrive in
    either order.
 4. Fills are at-least-once, keyed by (server, deal id); `cum_steps` is monotonic; a late fill
    after a cancel is legal.
 5. Exact units: Decimal lots and prices; an off-step volume is rejected, never rounded.
 6. Ordered per account with a durable cursor `seq`; a hole emits `Gap`.
 7. Reconnect: SessionDown → back-off → authenticate → snapshot → ReconcileDiff → SessionUp →
    events after the cursor. Nothing is submitted before Up: UnavailableError, nothing sent.
 8. Rate limits and heartbeats live inside the adapter.
 9. Errors carry a neutral code and the raw one (`apps.servers.errors`).
10. UTC milliseconds; the server's clock offset is explicit (`health`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Protocol, runtime_checkable
from uuid import UUID

import msgspec

from apps.servers.acks import Ack, Resolution
from apps.servers.commands import (
    Allocate,
    AmendOrder,
    BalanceOperation,
    CancelOrder,
    ClosePosition,
    CreateAccount,
    SubmitOrder,
)
from apps.servers.events import Event
from apps.servers.types import (
    AccountState,
    Bar,
    Deal,
    Health,
    OrderState,
    Page,
    Position,
    SymbolSpec,
)


class Capabilities(msgspec.Struct, frozen=True):
    """What this kind of server can do; the engine chooses block or mirror mode by it."""

    hedging: bool
    netting: bool
    partials: bool
    post_trade_allocation: bool
    book_at_price: bool
    balance_ops: bool
    account_admin: bool
    push: bool
    history: bool
    native_dedupe: bool
    close_by: bool = False  # AllocateNetted: opposite tickets of an account close each other

    @property
    def supports_block_allocation(self) -> bool:
        """Whether a master's fill can be booked on other accounts at its price (block mode)."""
        return self.post_trade_allocation and self.book_at_price


@runtime_checkable
class TradingServer(Protocol):
    """One session with one trading server, for one asyncio loop.

    Commands return an Ack and raise only UnavailableError (not Up, nothing sent). Queries raise
    UnavailableError (not Up, or no answer), NotFoundError (`account_unknown`, `symbol_unknown`)
    and InputError. An operation outside `capabilities` is Rejected `unsupported`.
    """

    @property
    def capabilities(self) -> Capabilities: ...

    async def connect(self) -> None:
        """Returns once Up; keeps the session alive and reconnects until `close`.

        Raises ForbiddenError `auth_failed`; UnavailableError when nobody answers in time.
        """

    async def close(self) -> None: ...

    async def health(self) -> Health: ...

    async def symbols(self) -> list[SymbolSpec]: ...

    async def accounts(self, *, after: int = 0, limit: int = 1000) -> Page[AccountState]:
        """By login; `after` = int(previous page's `next`). `limit` ≤ 1000."""

    async def account_state(self, login: int) -> AccountState: ...

    async def positions(self, login: int) -> list[Position]: ...

    async def orders(self, login: int) -> list[OrderState]:
        """Working orders only."""

    async def deals(self, login: int, *, since: str = "0", limit: int = 1000) -> Page[Deal]:
        """Deals with an id after `since`, oldest first. `limit` ≤ 1000."""

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> list[Bar]:
        """M1 bid bars in [from_ms, to_ms), at most 10,000 (InputError `range_too_long`)."""

    async def submit(self, command: SubmitOrder) -> Ack: ...

    async def amend(self, command: AmendOrder) -> Ack: ...

    async def cancel(self, command: CancelOrder) -> Ack: ...

    async def close_position(self, command: ClosePosition) -> Ack: ...

    async def allocate(self, command: Allocate) -> Ack: ...

    async def balance(self, command: BalanceOperation) -> Ack: ...

    async def create_account(self, command: CreateAccount) -> Ack: ...

    async def resolve(self, command_id: UUID) -> Resolution:
        """The stored outcome; NotFound: not seen so far; Unknown: could not be asked."""

    async def subscribe_quotes(self, symbols: Iterable[str]) -> None:
        """Quotes of these symbols come through `events`; replaces the former subscription."""

    def events(self, from_seq: int) -> AsyncIterator[Event]:
        """Durable events with seq > `from_seq`, quotes and session news, until `close`.

        One consumer at a time (ConflictError `events_in_use`). A slow consumer gets every
        durable event and, of each symbol, only the latest quote. May be called before
        `connect`, then nothing is missed.
        """
