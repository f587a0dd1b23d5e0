"""Protection: what people set, stop and lift, and what the engine and the server tell of it."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal
from uuid import UUID

import msgspec

from apps.core.book.codec import Vec, vec
from apps.core.book.commands.base import Stimulus
from apps.core.book.risk.settings import Party, Protection, Scope


class SetProtection(Stimulus, frozen=True, kw_only=True, tag="set_protection"):
    """All limits of one party, for an account, every account or the master; empty removes them.

    `account_id` goes with the scope `account`, and only so.
    """

    scope: Scope
    party: Party
    protection: Protection
    account_id: int | None = None
    placed_by: str = ""


class HardStop(Stimulus, frozen=True, kw_only=True, tag="hard_stop"):
    """Close everything and block the book. `token`: of a preview of what it closes, which must
    still be what it would close now."""

    party: Party
    token: str
    placed_by: str = ""


class LiftStop(Stimulus, frozen=True, kw_only=True, tag="lift_stop"):
    """Let a blocked account (None: the book) trade again; its references start anew."""

    party: Party
    account_id: int | None = None
    placed_by: str = ""


class Heights(msgspec.Struct, frozen=True):
    """The highest equity the engine saw, which quotes of the past gave. Vectors aligned.

    `above_minor`: over the account's `initial` reference, so that money that moves meanwhile does
    not change it. `since`: of which beginning of the references (others are ignored).
    """

    account_ids: Vec = msgspec.field(default_factory=vec)
    since: Vec = msgspec.field(default_factory=vec)
    above_minor: Vec = msgspec.field(default_factory=vec)


class ReachLimits(Stimulus, frozen=True, kw_only=True, tag="reach_limits"):
    """Equity at or below a limit by the quotes that this record holds; account 0 is the master."""

    heights: Heights


class SeePeaks(Stimulus, frozen=True, kw_only=True, tag="see_peaks"):
    """Equity that rose above the recorded peak: kept, so that a restart forgets little."""

    heights: Heights


class StartDay(Stimulus, frozen=True, kw_only=True, tag="start_day"):
    """A day of the broker's calendar began (ISO date in its time zone)."""

    day: str


class AdvanceStops(Stimulus, frozen=True, kw_only=True, tag="advance_stops"):
    """Stops whose next step can be taken take it."""


class FlatReported(Stimulus, frozen=True, kw_only=True, tag="flat"):
    """What the trading server holds of the logins that a check asked about.

    `open_account_ids`: those with a ticket of this book open (0: the master itself).
    """

    check_id: UUID
    open_account_ids: Vec


class ServerClosed(Stimulus, frozen=True, kw_only=True, tag="server_closed"):
    """The trading server closed a ticket, whole or in part, from its side.

    `pnl`: as it booked it, in units of the account's currency.
    """

    ticket_id: int
    deal_id: str
    steps: int
    price_points: int
    pnl: Decimal
    reason: Literal["stop_out", "server"]
    server_seq: int
    at_ms: int
