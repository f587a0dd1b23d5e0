"""Intents → trading server: sent from the journal, three outcomes, unknown settled by asking.

Orders and cancels go at once, each on its own; bookings and balance operations one after another
in the order they arose (a closing needs its ticket booked before).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from uuid import UUID, uuid5

import numpy as np
import structlog

from apps.core.book.commands import (
    AnyStimulus,
    BalanceReported,
    BookingReported,
    CancelReported,
    FlatReported,
)
from apps.core.book.state import (
    BalanceIntent,
    BookingIntent,
    CancelIntent,
    FlatIntent,
    Intent,
    SubmitIntent,
)
from apps.core.errors import ProrataError, UnavailableError
from apps.engine.holding import holding
from apps.engine.session import ServerSession, now_ms, order_ended
from apps.servers import acks
from apps.servers import commands as sc
from apps.servers.types import Side

log = structlog.get_logger("engine.sender")
MAX_OPENING_AGE_MS = 60_000
"""An opening order that the server has not seen for this long is not sent any more."""
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.05, 2.0
_RETRIES = 5


class Sender:
    """For one book. `tell` takes the outcome back to the book's inbox."""

    def __init__(
        self, session: ServerSession, master_login: int, tell: Callable[[AnyStimulus], None]
    ) -> None:
        self._session = session
        self._login = master_login
        self._tell = tell
        self._known: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._lane: asyncio.Queue[tuple[Intent, bool]] = asyncio.Queue()
        self._start(self._work_lane())

    def push(self, intents: dict[UUID, Intent], *, maybe_sent: bool) -> None:
        """Take on what is new. `maybe_sent`: a former process may have sent it: ask first."""
        for key in self._known - intents.keys():
            self._session.forget(key)
        self._known &= intents.keys()
        for key, intent in intents.items():
            if key in self._known:
                continue
            self._known.add(key)
            if isinstance(intent, SubmitIntent | CancelIntent):
                if isinstance(intent, SubmitIntent):
                    self._session.expect(key, self._tell)
                self._start(self._run(intent, maybe_sent))
            else:
                self._lane.put_nowait((intent, maybe_sent))

    async def close(self) -> None:
        for key in self._known:
            self._session.forget(key)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # type: ignore[call-overload]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work_lane(self) -> None:
        while True:
            intent, maybe_sent = await self._lane.get()
            if isinstance(intent, FlatIntent):
                self._tell(await self._check_flat(intent))
            else:
                await self._run(intent, maybe_sent)

    async def _check_flat(self, intent: FlatIntent) -> FlatReported:
        """What the server holds, asked until it answers; after the bookings that came before."""
        pause_s = _FIRST_PAUSE_S
        while True:
            try:
                held = await holding(self._session.server, intent)
                return FlatReported(
                    command_id=uuid5(intent.check_id, "answered"),
                    check_id=intent.check_id,
                    open_account_ids=held,
                )
            except ProrataError as error:
                log.warning("check_unanswered", check=str(intent.check_id), code=error.code)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, _LAST_PAUSE_S)

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
        try:
            return await self._session.server.resolve(_key(intent))
        except UnavailableError:
            return None

    async def _send(self, intent: Intent) -> acks.Ack | None:
        """The server's answer; None when it was not up and nothing was sent."""
        server = self._session.server
        if self._is_too_old(intent):
            return acks.Rejected(_key(intent), "order_too_old", "the order was never sent")
        try:
            match intent:
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
        return (
            isinstance(intent, SubmitIntent)
            and not intent.closing
            and now_ms() - intent.decided_at_ms > MAX_OPENING_AGE_MS
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
            case SubmitIntent():
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
            case SubmitIntent():
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
        case SubmitIntent():
            return intent.order_id
        case CancelIntent():
            return intent.cancel_id
        case BookingIntent():
            return intent.booking_id
        case BalanceIntent():
            return intent.operation_id
        case FlatIntent():
            return intent.check_id


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
