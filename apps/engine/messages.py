"""What travels over Redis between the engine and everybody else: msgpack structs.

Frames are for eyes: whoever needs a posted figure reads the projections or the command's answer.
"""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

import msgspec
import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.commands import Command

VectorName = Literal["account_ids", "balance", "equity", "floating", "margin"]


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One question to a book. Not begun after `deadline_ms`: the asker has stopped waiting."""

    request_id: str
    mode: Literal["execute", "preview"]
    command: Command
    deadline_ms: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the book committed for a command: the journal's `seq` and the command's result."""

    seq: int
    result: dict[str, Any]
    repeated: bool = False
    """True when this command id was executed before: this is its first outcome."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error of apps.core.errors, by class name."""

    kind: str
    code: str
    message: str
    details: dict[str, Any] = {}


class PreviewRow(msgspec.Struct, frozen=True, array_like=True):
    """One account of a preview. Volumes in steps; `reason` as apps.core.allocation.Reason."""

    account_id: int
    requested_steps: int
    """The share before minimum and caps."""
    steps: int
    """What would be sent for it."""
    reason: int
    equity_minor: int


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What PlaceBlock would do now. Nothing was written.

    PlaceBlock with this `token` does exactly this, or fails: within `max_age_ms`, while bid and
    ask stay within `tolerance_points`, and rule and accounts as they are.
    """

    symbol: str
    side: str
    requested_steps: int
    order_steps: int
    residual_steps: int
    volume_step: str
    digits: int
    bid_points: int
    ask_points: int
    quote_at_ms: int
    seq: int
    rows: list[PreviewRow]
    token: str = ""
    tolerance_points: int = 0
    max_age_ms: int = 0


class StopPreview(msgspec.Struct, frozen=True, kw_only=True):
    """What a hard stop would close now; `token` goes with the HardStop, within `max_age_ms`.

    lots: by symbol. Notional and P&L in minor units of `currency`, the book's.
    """

    blocks: int
    tickets: int
    pending: int
    lots: dict[str, str]
    notional_minor: int
    pnl_minor: int
    currency: str
    token: str
    max_age_ms: int


class JoinRow(msgspec.Struct, frozen=True, kw_only=True):
    """One open block, as a joining account would take it over. Money in the account's currency.

    price_points: what it would open at now; parent_points: what the group opened at. spread_minor:
    what closing at once would lose. steps 0: not taken over, `code` says why.
    """

    parent_id: UUID
    symbol: str
    side: str
    steps: int
    volume_step: str
    digits: int
    price_points: int
    parent_points: int
    spread_minor: int
    margin_minor: int
    code: str = ""


class JoinQuote(msgspec.Struct, frozen=True, kw_only=True):
    """What joining would cost now. Nothing was written; `token` as of a Preview.

    commission_minor: what the server states for these orders (its symbols state none: 0).
    """

    account_id: int
    mode: str
    currency: str
    currency_digits: int
    equity_minor: int
    free_minor: int
    spread_minor: int
    commission_minor: int
    margin_minor: int
    seq: int
    rows: list[JoinRow]
    token: str
    max_age_ms: int


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one of the four is set."""

    outcome: Outcome | None = None
    preview: Preview | None = None
    stop: StopPreview | None = None
    join: JoinQuote | None = None
    failure: Failure | None = None


class LegsView(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of accounts of one block: without an outcome so far, filled, failed."""

    pending: int
    filled: int
    failed: int


class BlockView(msgspec.Struct, frozen=True, kw_only=True):
    """One open block in a frame. Floating in the book's currency, for show."""

    block_id: UUID
    symbol: str
    side: str
    open_steps: int
    open_points: int
    floating_minor: int
    legs: LegsView | None = None


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """A book at a moment. Vectors are packed little-endian int64, aligned with `account_ids`.

    Money in minor units of each account's currency. `epoch` + `seq` say which state it shows;
    a frame with a lower (epoch, seq) than the last one seen is older.
    """

    epoch: int
    seq: int
    at_ms: int
    account_ids: bytes
    balance: bytes
    equity: bytes
    floating: bytes
    margin: bytes
    blocks: list[BlockView]
    aum_minor: dict[str, int]
    """Equity of all linked accounts, per currency, in its minor units."""
    book_currency: str
    book_floating_minor: int
    book_aum_minor: int

    def vector(
        self, name: Literal["account_ids", "balance", "equity", "floating", "margin"]
    ) -> Vec:
        """One of the vectors as int64[n]."""
        return np.frombuffer(getattr(self, name), dtype="<i8")

    def row(self, account_id: int) -> dict[str, int] | None:
        """The account's own figures, None when it is not in the book."""
        hits = np.flatnonzero(self.vector("account_ids") == account_id)
        if not hits.size:
            return None
        at = int(hits[0])
        return {
            "balance": int(self.vector("balance")[at]),
            "equity": int(self.vector("equity")[at]),
            "floating": int(self.vector("floating")[at]),
            "margin": int(self.vector("margin")[at]),
        }


class QuoteView(msgspec.Struct, frozen=True, kw_only=True):
    """A quote as shown: decimal strings, and when the engine received it (UTC ms)."""

    symbol: str
    bid: str
    ask: str
    digits: int
    at_ms: int


class QuoteFrame(msgspec.Struct, frozen=True, kw_only=True):
    """Quotes that changed since the last frame (channel), or all of them (latest key)."""

    at_ms: int
    quotes: dict[str, QuoteView]
