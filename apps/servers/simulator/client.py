"""The adapter: the neutral TradingServer Protocol over the simulator's socket."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from apps.core.errors import (
    ConflictError,
    InputError,
    ProrataError,
    UnavailableError,
)
from apps.servers.acks import Ack, Resolution, StoredOutcome, Unknown
from apps.servers.base import Capabilities
from apps.servers.commands import (
    Allocate,
    AmendOrder,
    AnyCommand,
    BalanceOperation,
    CancelOrder,
    ClosePosition,
    CreateAccount,
    SubmitOrder,
)
from apps.servers.events import Event, Gap, Quote, ReconcileDiff, SessionDown, SessionUp
from apps.servers.simulator import messages, wire
from apps.servers.simulator.feed import Feed
from apps.servers.simulator.link import Link, NoAnswerError, Push
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

T = TypeVar("T")

CAPABILITIES = Capabilities(
    hedging=True,
    netting=False,
    partials=True,
    post_trade_allocation=True,
    book_at_price=True,
    balance_ops=True,
    account_admin=True,
    push=True,
    history=True,
    native_dedupe=True,
    close_by=True,
)
FIRST_BACKOFF_S, LAST_BACKOFF_S = 0.05, 2.0
HEARTBEAT_S = 5.0


class SimulatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    url: str
    server: str
    token: str
    timeout_s: float = 5.0


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class SimulatorServer:
    """See `apps.servers.base.TradingServer`: every method behaves as written there."""

    def __init__(self, config: SimulatorConfig) -> None:
        wire.parse_url(config.url)
        self._config = config
        self._link: Link | None = None  # set only while Up
        self._keeper: asyncio.Task[None] | None = None
        self._feed: Feed | None = None
        self._cursor = 0
        self._epoch = 0
        self._welcome: messages.Welcome | None = None
        self._specs: dict[str, SymbolSpec] = {}
        self._quote_symbols: list[str] = []
        self._last_seq = 0
        self._latency_ms: float | None = None
        self._offset_ms = 0
        self._detail = "not connected"

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SimulatorServer:
        try:
            return cls(msgspec.convert(dict(config), SimulatorConfig))
        except msgspec.ValidationError as error:
            raise InputError("server_config_invalid", f"simulator: {error}") from error

    @property
    def capabilities(self) -> Capabilities:
        """Known once Up; before that, of a server that can do everything."""
        if self._welcome is None or self._welcome.block_allocation:
            return CAPABILITIES
        return msgspec.structs.replace(
            CAPABILITIES, post_trade_allocation=False, book_at_price=False
        )

    # -- session

    async def connect(self) -> None:
        if self._keeper is not None:
            return
        first_up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._keeper = asyncio.create_task(self._keep(first_up))
        try:
            async with asyncio.timeout(self._config.timeout_s):
                await first_up
        except (TimeoutError, ProrataError) as error:
            detail = self._detail
            await self._stop_keeper()
            if isinstance(error, ProrataError):
                raise
            raise UnavailableError(
                "server_unavailable", f"{self._config.url} does not answer: {detail}"
            ) from error

    async def close(self) -> None:
        await self._stop_keeper()
        if self._feed is not None:
            self._feed.end()

    async def health(self) -> Health:
        return Health(
            up=self._link is not None,
            last_seq=self._last_seq,
            latency_ms=self._latency_ms,
            server_offset_ms=self._offset_ms,
            detail=self._detail,
        )

    async def _stop_keeper(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper

    async def _keep(self, first_up: asyncio.Future[None]) -> None:
        """Opens the session again and again, with back-off, until cancelled."""
        backoff_s = FIRST_BACKOFF_S
        while True:
            link: Link | None = None
            try:
                link = await Link.open(self._config.url, self._on_push, self._config.timeout_s)
                await self._log_in(link)
                if not first_up.done():
                    first_up.set_result(None)
                backoff_s = FIRST_BACKOFF_S
                await self._heartbeat(link)
                reason = link.closed.result()
            except (OSError, NoAnswerError) as error:
                reason = str(error) or type(error).__name__
            except ProrataError as error:
                reason = error.message
                if not first_up.done():
                    first_up.set_exception(error)
                    return
                backoff_s = LAST_BACKOFF_S
            finally:
                was_up, self._link = self._link is not None, None
                if link is not None:
                    await link.close()
            self._detail = reason
            if was_up:
                self._tell(
                    SessionDown(at_ms=now_ms(), reason=reason, retry_in_ms=int(backoff_s * 1000))
                )
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, LAST_BACKOFF_S)

    async def _log_in(self, link: Link) -> None:
        config = self._config
        hello = messages.Hello(config.server, config.token)
        welcome: messages.Welcome = await link.request(
            "hello", hello, messages.Welcome, config.timeout_s
        )
        self._welcome = welcome
        self._specs = {spec.name: spec for spec in welcome.symbols}
        self._last_seq = max(self._last_seq, welcome.last_seq)
        self._offset_ms = welcome.now_ms - now_ms()
        self._epoch += 1
        self._link = link
        self._detail = "up"
        self._tell_up(welcome)
        if self._quote_symbols:
            await self._ask_quotes(link)
        if self._feed is not None:
            await self._follow(link)

    def _tell_up(self, welcome: messages.Welcome) -> None:
        at_ms = now_ms()
        self._tell(
            ReconcileDiff(
                at_ms=at_ms,
                after_seq=self._cursor,
                last_seq=welcome.last_seq,
                orders=welcome.orders,
                unallocated=welcome.unallocated,
            )
        )
        self._tell(SessionUp(at_ms=at_ms, epoch=self._epoch))

    async def _heartbeat(self, link: Link) -> None:
        """Returns when the link is closed; closes it itself when the server stops answering."""
        while not link.closed.done():
            sent_s = time.perf_counter()
            pong: messages.Pong = await link.request(
                "ping", messages.Nothing(), messages.Pong, self._config.timeout_s
            )
            self._latency_ms = (time.perf_counter() - sent_s) * 1000
            self._offset_ms = pong.now_ms - now_ms()
            self._last_seq = max(self._last_seq, pong.last_seq)
            await asyncio.wait([link.closed], timeout=HEARTBEAT_S)

    # -- events

    def events(self, from_seq: int) -> AsyncIterator[Event]:
        if self._feed is not None:
            raise ConflictError("events_in_use", "this session's events already have a consumer")
        self._feed = Feed()
        self._cursor = from_seq
        return self._read_events(self._feed, joined_epoch=self._epoch if self._link else 0)

    async def _read_events(self, feed: Feed, joined_epoch: int) -> AsyncIterator[Event]:
        same_session = self._link is not None and self._epoch == joined_epoch
        if same_session and self._link is not None and self._welcome is not None:
            self._tell_up(self._welcome)
            with contextlib.suppress(NoAnswerError):  # the keeper follows again after reconnect
                await self._follow(self._link)
        try:
            async for event in feed.read():
                yield event
        finally:
            self._feed = None

    async def subscribe_quotes(self, symbols: Iterable[str]) -> None:
        self._quote_symbols = sorted(set(symbols))
        if self._link is not None:
            with contextlib.suppress(NoAnswerError):  # asked again after the reconnect
                await self._ask_quotes(self._link)

    async def _ask_quotes(self, link: Link) -> None:
        asked = messages.QuoteSymbols(self._quote_symbols)
        await link.request("quotes", asked, messages.Nothing, self._config.timeout_s)

    async def _follow(self, link: Link) -> None:
        asked = messages.Follow(self._cursor)
        await link.request("follow", asked, messages.Nothing, self._config.timeout_s)

    def _tell(self, event: Event) -> None:
        if self._feed is not None:
            self._feed.put(event)

    def _on_push(self, push: Push) -> None:
        if self._feed is None:
            return
        if isinstance(push, wire.Quotes):
            self._feed.put_quotes(self._quote(row) for row in push.rows)
            return
        for event in push.events:
            if event.seq > self._cursor:  # an overlap after a reconnect is not told twice
                if event.seq > self._cursor + 1:  # pruned before we could take them
                    gap = Gap(at_ms=event.at_ms, from_seq=self._cursor, to_seq=event.seq)
                    self._feed.put(gap)
                self._cursor = event.seq
                self._last_seq = max(self._last_seq, event.seq)
                self._feed.put(event)

    def _quote(self, row: wire.QuoteRow) -> Quote:
        symbol, bid_points, ask_points, at_ms, source_ms = row
        spec = self._specs[symbol]
        return Quote(
            at_ms=at_ms,
            symbol=symbol,
            bid=spec.to_price(bid_points),
            ask=spec.to_price(ask_points),
            source_ms=source_ms,
        )

    # -- commands

    async def submit(self, command: SubmitOrder) -> Ack:
        return await self._execute(command)

    async def amend(self, command: AmendOrder) -> Ack:
        return await self._execute(command)

    async def cancel(self, command: CancelOrder) -> Ack:
        return await self._execute(command)

    async def close_position(self, command: ClosePosition) -> Ack:
        return await self._execute(command)

    async def allocate(self, command: Allocate) -> Ack:
        return await self._execute(command)

    async def balance(self, command: BalanceOperation) -> Ack:
        return await self._execute(command)

    async def create_account(self, command: CreateAccount) -> Ack:
        return await self._execute(command)

    async def _execute(self, command: AnyCommand) -> Ack:
        link = self._up()
        try:
            return await link.request(
                "execute", messages.Execute(command), StoredOutcome, self._config.timeout_s
            )
        except NoAnswerError as error:
            return Unknown(command.command_id, str(error))

    async def resolve(self, command_id: UUID) -> Resolution:
        if self._link is None:
            return Unknown(command_id, self._detail)
        try:
            return await self._link.request(
                "resolve", messages.Resolve(command_id), Resolution, self._config.timeout_s
            )
        except NoAnswerError as error:
            return Unknown(command_id, str(error))

    # -- queries

    async def symbols(self) -> list[SymbolSpec]:
        self._up()
        return list(self._specs.values())

    async def accounts(self, *, after: int = 0, limit: int = 1000) -> Page[AccountState]:
        query = messages.AccountsQuery(after, limit)
        return await self._query("accounts", query, Page[AccountState])

    async def account_state(self, login: int) -> AccountState:
        return await self._query("account_state", messages.OfLogin(login), AccountState)

    async def positions(self, login: int) -> list[Position]:
        return await self._query("positions", messages.OfLogin(login), list[Position])

    async def orders(self, login: int) -> list[OrderState]:
        return await self._query("orders", messages.OfLogin(login), list[OrderState])

    async def deals(self, login: int, *, since: str = "0", limit: int = 1000) -> Page[Deal]:
        return await self._query("deals", messages.DealsQuery(login, since, limit), Page[Deal])

    async def bars(self, symbol: str, from_ms: int, to_ms: int) -> list[Bar]:
        return await self._query("bars", messages.BarsQuery(symbol, from_ms, to_ms), list[Bar])

    async def _query(self, method: str, params: msgspec.Struct, result: type[T]) -> T:
        link = self._up()
        try:
            answer: T = await link.request(method, params, result, self._config.timeout_s)
        except NoAnswerError as error:
            raise UnavailableError("server_unavailable", str(error)) from error
        return answer

    def _up(self) -> Link:
        if self._link is None:
            raise UnavailableError(
                "server_unavailable", f"{self._config.server} is not up: {self._detail}"
            )
        return self._link
