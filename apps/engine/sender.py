"""Intents → trading servers: sent from the journal, three outcomes, unknown settled by asking.

Master orders and cancels go at once, each on its own; bookings and balance operations one after
another per server in the order they arose (a closing needs its ticket booked before). Legs: at
most LEGS_IN_FLIGHT at once per server, closings before openings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial
from uuid import UUID, uuid5

import msgspec
import numpy as np
import structlog

from apps.core.book.commands import (
    AnyStimulus,
    BalanceReported,
    BookingReported,
    CancelReported,
    FillReported,
    FlatReported,
)
from apps.core.book.state import (
    HOME,
    BalanceIntent,
    BookingIntent,
    CancelIntent,
    FlatIntent,
    Intent,
    LegIntent,
    SubmitIntent,
)
from apps.core.errors import ProrataError, UnavailableError
from apps.engine.holding import holding
from apps.engine.lanes import Lane
from apps.engine.session import Report, now_ms, order_ended
from apps.engine.venues import Venues
from apps.servers import acks
from apps.servers import commands as sc
from apps.servers.base import TradingServer
from apps.servers.types import Side, SymbolSpec

log = structlog.get_logger("engine.sender")
MAX_OPENING_AGE_MS = 60_000
"""An opening order that the server has not seen for this long is not sent any more."""
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.05, 2.0
_RETRIES = 5
LEGS_IN_FLIGHT = 32
"""Orders of accounts on their way to one server at once; the others wait their turn."""


class Sender:
    """For one book. `tell` takes the outcome back to the book's inbox."""

    def __init__(
        self, venues: Venues, master_login: int, tell: Callable[[AnyStimulus], None]
    ) -> None:
        self._venues = venues
        self._session = venues.home
        self._login = master_login
        self._tell = tell
        self._known: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lanes: dict[tuple[int, int], Lane] = {}
        self._servers: dict[UUID, int] = {}
        """Leg → its server, while it has no outcome."""

    def push(self, intents: dict[UUID, Intent], *, maybe_sent: bool) -> None:
        """Take on what is new. `maybe_sent`: a former process may have sent it: ask first."""
        for key in self._known - intents.keys():
            self._forget(key)
        self._known &= intents.keys()
        for key, intent in intents.items():
            if key in self._known:
                continue
            self._known.add(key)
            match intent:
                case SubmitIntent():
                    self._session.expect(key, self._tell)
                    self._start(self._run(intent, maybe_sent))
                case CancelIntent():
                    self._start(self._run(intent, maybe_sent))
                case LegIntent():
                    self._expect_leg(intent)
                    urgency = 1 if intent.close_id is None else 0
                    lane = self._lane(intent.server_id, LEGS_IN_FLIGHT)
                    lane.put(partial(self._run, intent, maybe_sent), urgency=urgency)
                case BookingIntent():
                    self._lane(HOME, 1).put(partial(self._run, intent, maybe_sent))
                case FlatIntent():
                    self._lane(HOME, 1).put(partial(self._check_flat, intent))
                case BalanceIntent():
                    lane = self._lane(intent.server_id, 1)
                    lane.put(partial(self._run, intent, maybe_sent))

    async def close(self) -> None:
        for key in self._known:
            self._forget(key)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check_flat(self, intent: FlatIntent) -> None:
        """What the servers hold, asked until each answers; after the bookings that came before."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                held = await holding(self._venues, intent)
                return self._tell(
                    FlatReported(
                        command_id=uuid5(intent.check_id, "answered"),
                        check_id=intent.check_id,
                        open_account_ids=held,
                    )
                )
            except ProrataError as error:
                log.warning("check_unanswered", check=str(intent.check_id), code=error.code)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LAST_PAUSE_S)

    def _lane(self, server_id: int, width: int) -> Lane:
        key = server_id, width
        if key not in self._lanes:
            self._lanes[key] = Lane(width, self._start)
        return self._lanes[key]

    def _expect_leg(self, intent: LegIntent) -> None:
        """Its fills say which server they come from, so that the book keeps its place there."""
        session = self._venues.session(intent.server_id)
        if session is None:
            return  # a server that was taken away: asked for ever, until it is back
        self._servers[intent.order_id] = intent.server_id

        def listen(report: Report) -> None:
            if intent.server_id != HOME and isinstance(report, FillReported):
                report = msgspec.structs.replace(report, server_id=intent.server_id)
            self._tell(report)

        session.expect(intent.order_id, listen)

    def _forget(self, key: UUID) -> None:
        session = self._venues.session(self._servers.pop(key, HOME))
        if session is not None:
            session.forget(key)

    def _up(self, intent: Intent) -> TradingServer | None:
        """The server of this intent, once it has been reached."""
        session = self._venues.session(_server_of(intent))
        return session.server if session is not None and session.ready.is_set() else None

    async def _run(self, intent: Intent, maybe_sent: bool) -> None:
        """Until the outcome is known: send, or ask, and never send what may have arrived."""
        pause_s, refusals = _FIRST_PAUSE_S, 0
        while True:
            answer = await self._ask(intent) if maybe_sent else await self._send(intent)
            match answer:
                case acks.Done():
                    return self._done(intent, answer)
                case acks.Rejected() if (
                    answer.error_class in ("retryable", "throttled") and refusals < _RETRIES
                ):
                    refusals += 1
                    maybe_sent = False
                case acks.Rejected():
                    return self._rejected(intent, answer.code, answer.raw or answer.message)
                case acks.NotFound():
                    if self._is_too_old(intent):
                        return self._rejected(intent, "order_too_old", "never sent")
                    maybe_sent = False
                    continue
                case acks.Unknown():
                    maybe_sent = True
                case None:
                    pass
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LAST_PAUSE_S)

    async def _ask(self, intent: Intent) -> acks.Resolution | None:
        server = self._up(intent)
        try:
            return None if server is None else await server.resolve(_key(intent))
        except UnavailableError:
            return None

    async def _send(self, intent: Intent) -> acks.Ack | None:
        """The server's answer; None when it was not up and nothing was sent."""
        if self._is_too_old(intent):
            return acks.Rejected(_key(intent), "order_too_old", "the order was never sent")
        server = self._up(intent)
        if server is None:
            return None
        try:
            match intent:
                case LegIntent(position_id=int()):
                    return await server.close_position(self._leg_closing(intent))
                case LegIntent():
                    return await server.submit(self._leg_order(intent))
                case SubmitIntent():
                    return await server.submit(self._order(intent))
                case CancelIntent():
                    return await self._cancel(intent)
                case BookingIntent():
                    return await server.allocate(self._booking(intent))
                case BalanceIntent():
                    return await server.balance(_operation(intent))
        except UnavailableError:
            return None
        raise AssertionError("a check is asked, not sent")

    def _is_too_old(self, intent: Intent) -> bool:
        match intent:
            case SubmitIntent(closing=False) | LegIntent(close_id=None):
                return now_ms() - intent.decided_at_ms > MAX_OPENING_AGE_MS
            case _:
                return False

    def _leg_spec(self, intent: LegIntent) -> SymbolSpec:
        session = self._venues.session(intent.server_id)
        assert session is not None, "a leg is sent to a server that is up"
        return session.specs[intent.symbol.partition("@")[0]]

    def _leg_order(self, intent: LegIntent) -> sc.SubmitOrder:
        spec = self._leg_spec(intent)
        return sc.SubmitOrder(
            command_id=intent.order_id,
            login=intent.login,
            symbol=spec.name,
            side=Side.BUY if intent.side == "buy" else Side.SELL,
            lots=spec.to_lots(intent.own_steps),
        )

    def _leg_closing(self, intent: LegIntent) -> sc.ClosePosition:
        return sc.ClosePosition(
            command_id=intent.order_id,
            login=intent.login,
            position_id=intent.position_id or 0,
            lots=self._leg_spec(intent).to_lots(intent.own_steps),
        )

    def _order(self, intent: SubmitIntent) -> sc.SubmitOrder:
        spec = self._session.specs[intent.symbol]
        points = intent.price_points
        return sc.SubmitOrder(
            command_id=intent.order_id,
            login=self._login,
            symbol=intent.symbol,
            side=Side.BUY if intent.side == "buy" else Side.SELL,
            lots=spec.to_lots(intent.steps),
            kind=intent.kind,
            price=None if points is None else spec.to_price(points),
        )

    async def _cancel(self, intent: CancelIntent) -> acks.Ack:
        """The server wants its own order id: it tells it for ours."""
        order = await self._session.server.resolve(intent.order_id)
        match order:
            case acks.Done(order_id=str() as order_id):
                return await self._session.server.cancel(
                    sc.CancelOrder(command_id=intent.cancel_id, order_id=order_id)
                )
            case acks.Rejected():
                return acks.Rejected(intent.cancel_id, order.code, order.message)
            case _:
                return acks.Unknown(intent.cancel_id, "the order itself is unknown so far")

    def _booking(self, intent: BookingIntent) -> sc.Allocate:
        price = self._session.specs[intent.symbol].to_price(intent.price_points)
        if not intent.deal_ids:
            return sc.AllocateNetted(
                command_id=intent.booking_id,
                login=self._login,
                symbol=intent.symbol,
                price=price,
                ticket_ids=intent.ticket_ids.astype("<i8").tobytes(),
                steps=intent.steps.astype("<i8").tobytes(),
                rates=intent.rates,
            )
        if intent.closing:
            return sc.AllocateClose(
                command_id=intent.booking_id,
                login=self._login,
                deal_ids=tuple(intent.deal_ids),
                price=price,
                ticket_ids=intent.ticket_ids.astype("<i8").tobytes(),
                steps=intent.steps.astype("<i8").tobytes(),
            )
        return sc.AllocateOpen(
            command_id=intent.booking_id,
            login=self._login,
            deal_ids=tuple(intent.deal_ids),
            price=price,
            logins=intent.logins.astype("<i8").tobytes(),
            steps=intent.steps.astype("<i8").tobytes(),
            ticket_ids=intent.ticket_ids.astype("<i8").tobytes(),
        )

    def _done(self, intent: Intent, answer: acks.Done) -> None:
        match intent:
            case SubmitIntent() | LegIntent():
                return  # only its fill moves the book
            case CancelIntent():
                self._tell(_cancel_report(intent, done=True))
            case BookingIntent():
                self._tell(
                    BookingReported(
                        command_id=uuid5(intent.booking_id, "settled"),
                        booking_id=intent.booking_id,
                        done=True,
                        differences=_differences(intent, answer.booked),
                    )
                )
            case BalanceIntent():
                self._tell(_balance_report(intent, done=True))

    def _rejected(self, intent: Intent, code: str, raw: str) -> None:
        log.warning("server_rejected", intent=type(intent).__name__, code=code, raw=raw[:200])
        match intent:
            case SubmitIntent() | LegIntent():
                self._tell(order_ended(intent.order_id, "rejected", code, raw))
            case CancelIntent():
                self._tell(_cancel_report(intent, done=False, code=code))
            case BookingIntent():
                self._tell(
                    BookingReported(
                        command_id=uuid5(intent.booking_id, "settled"),
                        booking_id=intent.booking_id,
                        done=False,
                        code=code,
                        raw=raw[:200],
                    )
                )
            case BalanceIntent():
                self._tell(_balance_report(intent, done=False, code=code, raw=raw[:200]))


def _key(intent: Intent) -> UUID:
    match intent:
        case SubmitIntent() | LegIntent():
            return intent.order_id
        case CancelIntent():
            return intent.cancel_id
        case BookingIntent():
            return intent.booking_id
        case BalanceIntent():
            return intent.operation_id
        case FlatIntent():
            return intent.check_id


def _server_of(intent: Intent) -> int:
    return intent.server_id if isinstance(intent, LegIntent | BalanceIntent) else HOME


def settled_id(operation_id: UUID) -> UUID:
    """Command id of the record that settles a balance operation."""
    return uuid5(operation_id, "settled")


def _operation(intent: BalanceIntent) -> sc.BalanceOperation:
    return sc.BalanceOperation(
        command_id=intent.operation_id,
        login=intent.login,
        kind=intent.kind,
        amount=Decimal(abs(intent.amount_minor)).scaleb(-intent.currency_digits),
        comment=intent.comment[:120],
    )


def _cancel_report(intent: CancelIntent, *, done: bool, code: str = "") -> CancelReported:
    return CancelReported(
        command_id=uuid5(intent.cancel_id, "settled"),
        cancel_id=intent.cancel_id,
        done=done,
        code=code,
    )


def _balance_report(
    intent: BalanceIntent, *, done: bool, code: str = "", raw: str = ""
) -> BalanceReported:
    return BalanceReported(
        command_id=settled_id(intent.operation_id),
        operation_id=intent.operation_id,
        done=done,
        code=code,
        raw=raw,
    )


def _differences(intent: BookingIntent, booked: acks.Booked | None) -> dict[str, int]:
    """The server's P&L minus ours, where they differ."""
    if booked is None or not intent.closing:
        return {}
    theirs = np.frombuffer(booked.profit_minor, dtype="<i8").astype(np.int64)
    if theirs.size != intent.pnl_minor.size:
        return {"rows": int(theirs.size) - int(intent.pnl_minor.size)}
    wrong = np.flatnonzero(theirs != intent.pnl_minor)
    return {
        str(int(intent.account_ids[at])): int(theirs[at] - intent.pnl_minor[at]) for at in wrong
    }
