"""One trading server of one broker as its books see it: quotes, specifications, reports."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog

from apps.core.book.commands import (
    BustReported,
    FillReported,
    OrderEnded,
    OutsideFill,
    QuoteIn,
    ServerClosed,
    Side,
    SymbolInfo,
)
from apps.core.errors import ProrataError
from apps.engine import discovery
from apps.engine.bars import BarBuilder
from apps.engine.discovery import ServerRow
from apps.engine.outside import FromOutside
from apps.servers import events as ev
from apps.servers.base import TradingServer
from apps.servers.registry import open_server
from apps.servers.types import SymbolSpec

log = structlog.get_logger("engine.session")
_RETRY_S = 2.0
FIRST_QUOTES_WITHIN_S = 3.0
REPLAY_WITHIN_S = 60.0

Report = FillReported | OrderEnded
Listener = Callable[[Report], None]
OutsideListener = Callable[[FromOutside], None]
_TICKETS_PER_BOOK = 1 << 32
OwnListener = Callable[[ev.Fill], None]


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def symbol_info(spec: SymbolSpec) -> SymbolInfo:
    return SymbolInfo(
        name=spec.name,
        digits=spec.digits,
        contract_size=spec.contract_size,
        volume_step=spec.volume_step,
        min_steps=spec.min_steps,
        max_steps=spec.max_steps,
        base_currency=spec.base_currency,
        quote_currency=spec.profit_currency,
        margin_currency=spec.margin_currency,
        margin_mode=spec.margin_mode,
        max_leverage=spec.max_leverage,
        sessions=spec.sessions,
    )


class ServerSession:
    """Keeps one connection; books register the orders whose reports they want."""

    def __init__(self, broker: str, row: ServerRow) -> None:
        self.broker = broker
        self.row = row
        self.server: TradingServer = open_server(row.kind, row.config)
        self.ready = asyncio.Event()
        self.priced = asyncio.Event()
        self.quotes: dict[str, QuoteIn] = {}
        self.specs: dict[str, SymbolSpec] = {}
        self.changed: set[str] = set()
        self.bars = BarBuilder()
        self._listeners: dict[UUID, Listener] = {}
        self._masters: dict[int, OutsideListener] = {}
        self._books: dict[int, OutsideListener] = {}
        self._stopped_out: set[int] = set()
        self._own: dict[int, OwnListener] = {}
        self._cursor = 0

    async def run(self) -> None:
        """Connect, then pump events until cancelled."""
        await self._connect()
        while True:
            await self._read_events(self.server, self._cursor, None)
            await asyncio.sleep(_RETRY_S)

    async def close(self) -> None:
        await self.server.close()

    async def wait_until_usable(self) -> None:
        """Connected, and every symbol quoted; a symbol without quotes is waited for briefly."""
        await self.ready.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.priced.wait(), FIRST_QUOTES_WITHIN_S)

    def expect(self, order_id: UUID, listener: Listener) -> None:
        """Reports on this order go to `listener`."""
        self._listeners[order_id] = listener

    def forget(self, order_id: UUID) -> None:
        self._listeners.pop(order_id, None)

    @property
    def cursor(self) -> int:
        """The last durable event of the server that was passed on."""
        return self._cursor

    def expect_outside(self, login: int, book_no: int, listener: OutsideListener) -> None:
        """Deals on this master that nobody here ordered, or waits for, go to `listener`; also
        closes of the book's tickets that nobody here asked for."""
        self._masters[login] = self._books[book_no] = listener

    def forget_outside(self, login: int, book_no: int) -> None:
        self._masters.pop(login, None)
        self._books.pop(book_no, None)

    def expect_own(self, master_login: int, listener: OwnListener) -> None:
        """What owners do with positions on their own accounts goes to the book's `listener`."""
        self._own[master_login] = listener

    def forget_own(self, master_login: int) -> None:
        self._own.pop(master_login, None)

    async def replay(self, after_seq: int) -> None:
        """Tell again what came after `after_seq`, over a session of its own: a book that is loaded
        now may have missed it. What arrives meanwhile comes through the main session as well."""
        server = open_server(self.row.kind, self.row.config)
        try:
            async with asyncio.timeout(REPLAY_WITHIN_S):
                await server.connect()
                last_seq = (await server.health()).last_seq
                if last_seq > after_seq:
                    await self._read_events(server, after_seq, last_seq)
            log.info("replayed", server=self.row.name, after_seq=after_seq, last_seq=last_seq)
        finally:
            await server.close()

    async def _connect(self) -> None:
        while True:
            try:
                await self.server.connect()
                specs = await self.server.symbols()
                self._cursor = (await self.server.health()).last_seq
                break
            except ProrataError as error:
                log.warning("server_down", server=self.row.name, code=error.code)
                await asyncio.sleep(_RETRY_S)
        self.specs = {spec.name: spec for spec in specs}
        await discovery.in_thread(discovery.refresh_symbols, self.broker, self.row.server_id, specs)
        self.ready.set()
        log.info("server_up", broker=self.broker, server=self.row.name, symbols=len(specs))

    async def _read_events(
        self, server: TradingServer, from_seq: int, until_seq: int | None
    ) -> None:
        """Pass events on; to the end of the session, or up to `until_seq`."""
        try:
            async with contextlib.aclosing(server.events(from_seq)) as stream:  # type: ignore[type-var]
                if until_seq is None:  # the latest quotes are told at once: be there to hear them
                    await server.subscribe_quotes(self.specs)
                async for event in stream:
                    if isinstance(event, ev.Quote):
                        self._quote(event)
                        continue
                    self._pass_on(event)
                    if until_seq is None:
                        self._cursor = max(self._cursor, event.seq)
                    elif event.seq >= until_seq:
                        return
        except ProrataError as error:
            log.warning("events_lost", server=self.row.name, code=error.code)

    def _pass_on(self, event: ev.Event) -> None:
        """To whoever waits for it: an order's sender, the master's book, the owner's."""
        if isinstance(event, ev.StopOut):
            self._stopped_out.update(event.position_ids)
        if isinstance(event, ev.Fill) and event.command_id is None:
            self._outside(event)
        if isinstance(event, ev.Fill) and event.position_id is not None:
            for listener in list(self._own.values()):
                listener(event)
        if isinstance(event, ev.TradeBusted):
            self._busted(event)
        report = to_report(event, self.specs)
        if report is not None and report.order_id in self._listeners:
            self._listeners[report.order_id](report)
        elif isinstance(report, FillReported) and isinstance(event, ev.Fill):
            self._late(event, report)

    def _outside(self, fill: ev.Fill) -> None:
        if fill.position_id is not None:
            self._closed(fill, fill.position_id)
            return
        listener = self._masters.get(fill.login)
        if listener is None:
            return
        listener(
            OutsideFill(
                command_id=uuid5(NAMESPACE_OID, f"outside:{fill.login}:{fill.deal_id}"),
                deal_id=fill.deal_id,
                symbol=fill.symbol,
                side=_side(fill),
                steps=fill.steps,
                price_points=self.specs[fill.symbol].to_points(fill.price),
                rates=fill.rates,
                server_seq=fill.seq,
                at_ms=fill.at_ms,
            )
        )

    def _closed(self, fill: ev.Fill, ticket_id: int) -> None:
        """A ticket of a book, closed by the server itself."""
        listener = self._books.get(ticket_id // _TICKETS_PER_BOOK)
        if listener is None:
            return
        listener(
            ServerClosed(
                command_id=uuid5(NAMESPACE_OID, f"closed:{fill.login}:{fill.deal_id}"),
                ticket_id=ticket_id,
                deal_id=fill.deal_id,
                steps=fill.steps,
                price_points=self.specs[fill.symbol].to_points(fill.price),
                pnl=fill.profit,
                reason="stop_out" if ticket_id in self._stopped_out else "server",
                server_seq=fill.seq,
                at_ms=fill.at_ms,
            )
        )

    def _busted(self, bust: ev.TradeBusted) -> None:
        listener = self._masters.get(bust.login)
        if listener is None:
            return
        listener(
            BustReported(
                command_id=uuid5(NAMESPACE_OID, f"bust:{bust.login}:{bust.busted_deal_id}"),
                busted_deal_id=bust.busted_deal_id,
                deal_id=bust.deal_id,
                symbol=bust.symbol,
                side="buy" if bust.side > 0 else "sell",
                steps=bust.steps,
                price_points=self.specs[bust.symbol].to_points(bust.price),
                rates=bust.rates,
                server_seq=bust.seq,
                at_ms=bust.at_ms,
            )
        )

    def _late(self, fill: ev.Fill, report: FillReported) -> None:
        """A fill of an order that nobody waits for any more: the master's book knows what of."""
        listener = self._masters.get(fill.login)
        if listener is not None and fill.position_id is None:
            listener(report)

    def _quote(self, quote: ev.Quote) -> None:
        digits = self.specs[quote.symbol].digits
        seen = QuoteIn(int(quote.bid.scaleb(digits)), int(quote.ask.scaleb(digits)), now_ms())
        self.quotes[quote.symbol] = seen
        self.changed.add(quote.symbol)
        if not self.priced.is_set() and len(self.quotes) == len(self.specs):
            self.priced.set()
        self.bars.add(quote.symbol, quote.at_ms, quote.bid)


def _side(fill: ev.Fill) -> Side:
    return "buy" if fill.side > 0 else "sell"


def to_report(event: ev.Event, specs: dict[str, SymbolSpec]) -> Report | None:
    """A server's event as the stimulus it is for a book; ids follow from the server's own, so a
    repetition is recognised for ever."""
    match event:
        case ev.Fill(command_id=UUID() as order_id):
            return FillReported(
                command_id=uuid5(order_id, f"fill:{event.deal_id}"),
                order_id=order_id,
                deal_id=event.deal_id,
                steps=event.steps,
                cum_steps=event.cum_steps,
                leaves_steps=event.leaves_steps,
                price_points=specs[event.symbol].to_points(event.price),
                rates=event.rates,
                server_seq=event.seq,
                at_ms=event.at_ms,
                position_id=event.position_id,
                profit=None if event.position_id is None else event.profit,
                symbol=event.symbol,
                side=_side(event),
            )
        case ev.OrderRejected(command_id=UUID() as order_id):
            return order_ended(order_id, "rejected", event.code, event.raw)
        case ev.OrderCancelled(command_id=UUID() as order_id):
            return order_ended(order_id, "cancelled", "order_cancelled")
        case ev.OrderExpired(command_id=UUID() as order_id):
            return order_ended(order_id, "expired", "order_expired")
        case _:
            return None


def order_ended(order_id: UUID, how: str, code: str, raw: str = "") -> OrderEnded:
    """An order ends once: the id of the report depends on the order alone."""
    return OrderEnded(
        command_id=uuid5(order_id, "ended"),
        order_id=order_id,
        how=how,  # type: ignore[arg-type]
        code=code,
        raw=raw[:200],
    )
