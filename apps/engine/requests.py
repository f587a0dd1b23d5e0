"""Requests from Redis into the books' inboxes; previews answered on the spot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from apps.core.book.codec import decode
from apps.core.book.commands import HardStop, LinkAccount, LinkAccounts, PlaceBlock
from apps.core.book.decide import preview
from apps.core.book.market import Market
from apps.core.book.promise import MAX_AGE_MS, tolerance_points
from apps.core.book.quoting import Cost, quote_join
from apps.core.book.risk.confirming import MAX_AGE_MS as CONFIRM_WITHIN_MS
from apps.core.book.risk.confirming import look, make_token
from apps.core.book.state import BookState
from apps.core.errors import (
    CorruptionError,
    InputError,
    ProrataError,
    UnavailableError,
)
from apps.engine import tokens
from apps.engine.account_lookup import account_info, account_table
from apps.engine.actor import BookActor, Item
from apps.engine.answers import Answers
from apps.engine.messages import (
    JoinQuote,
    JoinRow,
    Preview,
    PreviewRow,
    Request,
    StopPreview,
)
from apps.engine.session import now_ms

log = structlog.get_logger("engine.requests")
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
            request = decode(data, Request)
        except CorruptionError as error:
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
        looked_up = isinstance(request.command, LinkAccount | LinkAccounts)
        if request.mode == "execute" and not looked_up:
            actor.inbox.put_nowait(Item(request.command, request.request_id))
            return
        task = asyncio.create_task(self._slow(actor, answers, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _check_token(self, actor: BookActor, request: Request) -> None:
        """Only what this broker's engine signed may choose the quotes of a decision."""
        command = request.command
        if isinstance(command, PlaceBlock | LinkAccount) and command.token:
            tokens.check(actor.row.broker, actor.row.book_id, command.token)

    async def _slow(self, actor: BookActor, answers: Answers, request: Request) -> None:
        try:
            match request.mode, request.command:
                case "preview", PlaceBlock() as command:
                    answers.previewed(request.request_id, await make_preview(actor, command))
                case "preview", LinkAccount() as command:
                    answers.quoted(request.request_id, await make_quote(actor, command))
                case "preview", HardStop():
                    answers.stop_previewed(request.request_id, await make_stop_preview(actor))
                case "preview", _:
                    raise InputError(
                        "not_a_block", "Only a block, a joining and a hard stop have a preview."
                    )
                case _, LinkAccount() as command:
                    info = await account_info(actor, command.account_id)
                    actor.inbox.put_nowait(Item(command, request.request_id, info))
                case _, LinkAccounts() as command:
                    table = await account_table(actor, command.account_ids.tolist())
                    actor.inbox.put_nowait(Item(command, request.request_id, accounts=table))
                case _:
                    return
        except ProrataError as error:
            answers.failed(request.request_id, error)


async def make_stop_preview(actor: BookActor) -> StopPreview:
    """What a hard stop would close now. Raises ConflictError `book_stopped`."""
    state = await settled_state(actor)
    inputs = actor.inputs()
    view = look(state, Market(inputs.quotes, inputs.now_ms, inputs.quote_max_age_ms))
    return StopPreview(
        blocks=view.blocks,
        tickets=view.tickets,
        pending=view.pending,
        lots={name: str(state.symbols[name].volume_step * n) for name, n in view.steps.items()},
        notional_minor=view.notional_minor,
        pnl_minor=view.pnl_minor,
        currency=state.currency,
        token=make_token(view),
        max_age_ms=CONFIRM_WITHIN_MS,
    )


async def settled_state(actor: BookActor) -> BookState:
    """What is committed. Raises UnavailableError `book_loading`."""
    await actor.settled.wait()
    if actor.state is None:
        raise UnavailableError("book_loading", "The book is being loaded; try again in a second.")
    return actor.state


async def make_preview(actor: BookActor, command: PlaceBlock) -> Preview:
    """What `command` would do now; raises what executing it would."""
    state = await settled_state(actor)
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


async def make_quote(actor: BookActor, command: LinkAccount) -> JoinQuote:
    """What joining by `command` would take over now and cost; raises what executing it would."""
    info = await account_info(actor, command.account_id)
    await actor.settled.wait()
    state = actor.state
    if state is None:
        raise UnavailableError("book_loading", "The book is being loaded; try again in a second.")
    quote = quote_join(state, command, actor.inputs(info))
    rows = [_join_row(state, cost) for cost in quote.costs]
    return JoinQuote(
        account_id=command.account_id,
        mode=command.mode,
        currency=quote.currency,
        currency_digits=quote.currency_digits,
        equity_minor=quote.equity_minor,
        free_minor=quote.free_minor,
        spread_minor=sum(row.spread_minor for row in rows),
        commission_minor=0,
        margin_minor=sum(row.margin_minor for row in rows),
        seq=actor.seq,
        rows=rows,
        token=tokens.sign(actor.row.broker, actor.row.book_id, quote.token),
        max_age_ms=MAX_AGE_MS,
    )


def _join_row(state: BookState, cost: Cost) -> JoinRow:
    parent = cost.taken.parent
    symbol = state.symbols[parent.symbol]
    return JoinRow(
        parent_id=parent.block_id,
        symbol=parent.symbol,
        side=parent.side,
        steps=cost.taken.steps,
        volume_step=str(symbol.volume_step),
        digits=symbol.digits,
        price_points=cost.price_points,
        parent_points=parent.open_points,
        spread_minor=cost.spread_minor,
        margin_minor=cost.margin_minor,
        code=cost.taken.code,
    )
