"""An engine for the API's tests: the engine's real messages over a real Redis, canned decisions.

Answers every PlaceBlock, CloseBlock and CancelBlock of one book, once per command id, like the
real one. `refuse` makes it reject; `mute` makes it swallow requests (an unknown outcome).
"""

from __future__ import annotations

import threading
import uuid
from types import TracebackType
from typing import Any

import msgspec
import redis
from django.conf import settings

from apps.core.book.codec import decode
from apps.core.book.commands import Command, LinkAccount, PlaceBlock
from apps.engine import channels
from apps.engine.messages import (
    Failure,
    JoinQuote,
    JoinRow,
    Outcome,
    Preview,
    PreviewRow,
    Reply,
    Request,
)


class FakeEngine:
    def __init__(self, broker: str, book_id: uuid.UUID) -> None:
        self.broker, self.book_id = broker, book_id
        self.commands: list[Command] = []  # executed, each once
        self.refuse: Failure | None = None
        self.mute = False
        self.result: dict[str, Any] = {}
        self.account_ids: list[int] = []
        self._outcomes: dict[uuid.UUID, Outcome] = {}
        self._redis = redis.Redis.from_url(settings.REDIS_URL)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> FakeEngine:
        self._redis.set(channels.lease(self.broker, self.book_id), b"1", ex=60)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._redis.delete(channels.lease(self.broker, self.book_id))

    def _run(self) -> None:
        while not self._stop.is_set():
            found: Any = self._redis.blpop(
                [channels.commands(self.broker, self.book_id)], timeout=0.2
            )
            if found is None or self.mute:
                continue
            request = decode(found[1], Request)
            reply = self._preview(request) if request.mode == "preview" else self._answer(request)
            key = channels.reply(self.broker, request.request_id)
            self._redis.rpush(key, msgspec.msgpack.encode(reply))
            self._redis.expire(key, 30)

    def _answer(self, request: Request) -> Reply:
        command = request.command
        if self.refuse is not None:
            return Reply(failure=self.refuse)
        known = self._outcomes.get(command.command_id)
        if known is not None:
            return Reply(outcome=msgspec.structs.replace(known, repeated=True))
        self.commands.append(command)
        result: dict[str, Any] = {"status": "sent", "order_steps": 99, "residual_steps": 1}
        if isinstance(command, PlaceBlock):
            result |= {"block_id": str(command.command_id), "accounts": 3}
        outcome = Outcome(seq=len(self.commands) + 10, result=result | self.result)
        self._outcomes[command.command_id] = outcome
        return Reply(outcome=outcome)

    def _preview(self, request: Request) -> Reply:
        if isinstance(request.command, LinkAccount):
            return Reply(join=_quote(request.command))
        assert isinstance(request.command, PlaceBlock)
        rows = [PreviewRow(account, 50, 49, 10, 123_456) for account in self.account_ids]
        return Reply(
            preview=Preview(
                symbol=request.command.symbol,
                side=request.command.side,
                requested_steps=100,
                order_steps=99,
                residual_steps=1,
                volume_step="0.01",
                digits=5,
                bid_points=108_540,
                ask_points=108_552,
                quote_at_ms=1_700_000_000_000,
                seq=3,
                rows=rows,
            )
        )


def _quote(command: LinkAccount) -> JoinQuote:
    row = JoinRow(
        parent_id=uuid.UUID(int=7),
        symbol="EURUSD",
        side="buy",
        steps=12,
        volume_step="0.01",
        digits=5,
        price_points=108_552,
        parent_points=108_900,
        spread_minor=144,
        margin_minor=13_026,
    )
    return JoinQuote(
        account_id=command.account_id,
        mode=command.mode,
        currency="USD",
        currency_digits=2,
        equity_minor=500_000,
        free_minor=500_000,
        spread_minor=144,
        commission_minor=0,
        margin_minor=13_026,
        seq=3,
        rows=[row],
        token="a-token",
        max_age_ms=30_000,
    )
