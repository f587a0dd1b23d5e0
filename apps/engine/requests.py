"""Requests from Redis into the books' inboxes; previews answered on the spot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.core.book.commands import AccountInfo, LinkAccount, PlaceBlock
from apps.core.book.decide import preview
from apps.core.book.promise import MAX_AGE_MS, tolerance_points
from apps.core.book.state import HOME
from apps.core.errors import (
    InputError,
    NotFoundError,
    ProrataError,
    UnavailableError,
)
from apps.engine import discovery, tokens
from apps.engine.actor import BookActor, Item
from apps.engine.answers import Answers
from apps.engine.discovery import currency_digits
from apps.engine.messages import Preview, PreviewRow, Request
from apps.engine.session import now_ms

log = structlog.get_logger("engine.requests")
_decoder = msgspec.msgpack.Decoder(Request)
WAIT_S = 1
"""A book taken on now is listened to after at most this long."""


class Requests:
    """Reads the command lists of all books this engine holds."""

    def __init__(
        self, redis: Redis, books: Callable[[], Mapping[str, tuple[BookActor, Answers]]]
    ) -> None:
        self._redis = redis
        self._books = books
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = 0

    async def run(self) -> None:
        while True:
            books = self._books()
            if not books:
                await asyncio.sleep(WAIT_S / 5)
                continue
            try:
                found: Any = await self._redis.brpop(self._keys(books), timeout=WAIT_S)
            except RedisError as error:
                log.warning("redis_lost", error=str(error))
                await asyncio.sleep(0.5)
                continue
            if found is not None:
                key, data = found  # bytes: this connection does not decode
                self._take(books[key.decode()], data)

    def _keys(self, books: Mapping[str, object]) -> list[str]:
        """Another book is first each time: a busy one does not starve the others."""
        keys = list(books)
        self._turn = (self._turn + 1) % len(keys)
        return keys[self._turn :] + keys[: self._turn]

    def _take(self, book: tuple[BookActor, Answers], data: bytes) -> None:
        actor, answers = book
        try:
            request = _decoder.decode(data)
        except msgspec.MsgspecError as error:
            log.warning("bad_request", error=str(error))
            return
        if request.deadline_ms < now_ms():
            log.warning("request_too_late", request=request.request_id)
            return
        try:
            self._check_token(actor, request)
        except ProrataError as error:
            answers.failed(request.request_id, error)
            return
        if request.mode == "execute" and not isinstance(request.command, LinkAccount):
            actor.inbox.put_nowait(Item(request.command, request.request_id))
            return
        task = asyncio.create_task(self._slow(actor, answers, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_token(self, actor: BookActor, request: Request) -> None:
        """Only what this broker's engine signed may choose the quotes of a decision."""
        command = request.command
        if isinstance(command, PlaceBlock) and command.token:
            tokens.check(actor.row.broker, actor.row.book_id, command.token)

    async def _slow(self, actor: BookActor, answers: Answers, request: Request) -> None:
        try:
            if request.mode == "preview":
                if not isinstance(request.command, PlaceBlock):
                    raise InputError("not_a_block", "Only the placing of a block has a preview.")
                answers.previewed(request.request_id, await make_preview(actor, request.command))
            elif isinstance(request.command, LinkAccount):
                info = await account_info(actor, request.command.account_id)
                actor.inbox.put_nowait(Item(request.command, request.request_id, info))
        except ProrataError as error:
            answers.failed(request.request_id, error)


async def account_info(actor: BookActor, account_id: int) -> AccountInfo:
    """What the broker's records and the trading server say of an account.

    Raises NotFoundError `account_unknown`, RejectedError `server_not_mapped`, UnavailableError.
    """
    row = await discovery.in_thread(discovery.account, actor.row.broker, account_id)
    if row is None:
        raise NotFoundError(
            "account_unknown", f"There is no account {account_id}.", account_id=account_id
        )
    server_id = actor.venues.id_of(row.server_id)
    session = actor.venues.connected(server_id)
    if server_id != HOME:
        actor.define_venue(server_id)
    state = await session.server.account_state(row.login)
    digits = currency_digits(state.currency)
    return AccountInfo(
        account_id=account_id,
        login=row.login,
        currency=state.currency,
        currency_digits=digits,
        leverage=state.leverage,
        balance_minor=int(state.balance.scaleb(digits)),
        server_id=server_id,
    )


async def make_preview(actor: BookActor, command: PlaceBlock) -> Preview:
    """What `command` would do now; raises what executing it would."""
    await actor.settled.wait()
    state = actor.state
    if state is None:
        raise UnavailableError("book_loading", "The book is being loaded; try again in a second.")
    event, result, token = preview(state, command, actor.inputs())
    symbol = state.symbols[command.symbol]
    columns = (
        event.account_ids.tolist(),
        result.rounded_steps.tolist(),
        event.steps.tolist(),
        event.reasons.tolist(),
        event.equity_minor.tolist(),
    )
    return Preview(
        symbol=command.symbol,
        side=command.side,
        requested_steps=result.volume_steps,
        order_steps=event.order_steps,
        residual_steps=event.residual_steps,
        volume_step=str(symbol.volume_step),
        digits=symbol.digits,
        bid_points=event.bid_points,
        ask_points=event.ask_points,
        quote_at_ms=event.quote_at_ms,
        seq=actor.seq,
        token=tokens.sign(actor.row.broker, actor.row.book_id, token),
        tolerance_points=tolerance_points(event.bid_points, event.ask_points),
        max_age_ms=MAX_AGE_MS,
        rows=[PreviewRow(*row) for row in zip(*columns, strict=True)],
    )
