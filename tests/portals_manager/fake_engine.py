"""An engine's end of the Redis door: answers with the book's own `decide`, commits nothing.

It holds the lease key, pops requests as the engine does, and remembers first outcomes by command
id. What it previews comes from apps.core.book, so a page's figures have something to agree with.
"""

from __future__ import annotations

import asyncio
import threading
import time
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID, uuid4

import msgspec
import redis
from django.conf import settings

from apps.core.book.apply import apply
from apps.core.book.commands import (
    AccountInfo,
    DefineSymbols,
    HardStop,
    Inputs,
    LinkAccount,
    OpenBook,
    QuoteIn,
    SymbolInfo,
)
from apps.core.book.decide import decide
from apps.core.book.events import CommandRefused
from apps.core.errors import ProrataError
from apps.engine import channels
from apps.engine.actor import BookActor
from apps.engine.messages import Failure, Outcome, Preview, Reply, Request, StopPreview
from apps.engine.requests import make_preview, make_stop_preview

_requests = msgspec.msgpack.Decoder(Request)
_encode = msgspec.msgpack.Encoder().encode
EURUSD = SymbolInfo(
    name="EURUSD", digits=5, contract_size=Decimal(100_000), volume_step=Decimal("0.01"),
    min_steps=1, max_steps=100_000, base_currency="EUR", quote_currency="USD",
    margin_currency="EUR", margin_mode="fx", max_leverage=100,
)  # fmt: skip


class FakeEngine(threading.Thread):
    """Use as a context manager. `mute` makes it swallow requests: nobody answers."""

    def __init__(self, broker: str, book_id: UUID) -> None:
        super().__init__(daemon=True)
        self.broker, self.book_id = broker, book_id
        self.store = redis.Redis.from_url(settings.REDIS_URL)
        self.mute = False
        self.executed: list[Any] = []
        self.first: dict[UUID, Reply] = {}
        self.stopping = False
        self.state: Any = None
        self.seq = 0
        self.tell(
            OpenBook(
                command_id=uuid4(), book_id=book_id, book_no=1, master_login=1, currency="USD",
                currency_digits=2,
            )
        )  # fmt: skip
        self.tell(DefineSymbols(command_id=uuid4(), symbols=[EURUSD]))

    def link(self, account_id: int, login: int, balance_minor: int) -> None:
        info = AccountInfo(
            account_id=account_id, login=login, currency="USD", currency_digits=2, leverage=100,
            balance_minor=balance_minor,
        )  # fmt: skip
        self.tell(LinkAccount(command_id=uuid4(), account_id=account_id), account=info)

    def inputs(self, **more: Any) -> Inputs:
        now_ms = int(time.time() * 1000)
        quotes = {"EURUSD": QuoteIn(108500, 108510, now_ms)}
        return Inputs(now_ms=now_ms, quotes=quotes, **more)

    def tell(self, stimulus: Any, **more: Any) -> Any:
        decision = decide(self.state, stimulus, self.inputs(**more))
        self.state = apply(self.state, decision.events)
        self.seq += 1
        return decision

    def preview_of(self, command: Any) -> Preview:
        """The engine's own preview of `command` on this state."""
        return asyncio.run(make_preview(self._actor(), command))

    def stop_of(self) -> StopPreview:
        """What a hard stop would close of this state."""
        return asyncio.run(make_stop_preview(self._actor()))

    def _actor(self) -> BookActor:
        row = SimpleNamespace(broker="acme", book_id=uuid4())
        settled = asyncio.Event()
        settled.set()
        actor = SimpleNamespace(
            settled=settled, state=self.state, inputs=self.inputs, seq=self.seq, row=row
        )
        return cast(BookActor, actor)

    def _answer(self, request: Request) -> Reply:
        try:
            if isinstance(request.command, HardStop) and request.mode == "preview":
                return Reply(stop=self.stop_of())
            if request.mode == "preview":
                return Reply(preview=self.preview_of(request.command))
            known = self.first.get(request.command.command_id)
            if known is not None:
                if known.outcome is not None:
                    again = msgspec.structs.replace(known.outcome, repeated=True)
                    return Reply(outcome=again)
                return known
            reply = self._execute(request.command)
            self.first[request.command.command_id] = reply
            return reply
        except ProrataError as error:
            return Reply(failure=Failure(kind=type(error).__name__, **error.as_dict()))

    def _execute(self, command: Any) -> Reply:
        decision = self.tell(command)
        self.executed.append(command)
        refused = decision.events[0]
        if isinstance(refused, CommandRefused):
            fields = ("kind", "code", "message", "details")
            return Reply(failure=Failure(**{name: getattr(refused, name) for name in fields}))
        return Reply(outcome=Outcome(seq=self.seq, result=decision.result))

    def run(self) -> None:
        while not self.stopping:
            found: Any = self.store.brpop(
                [channels.commands(self.broker, self.book_id)], timeout=0.2
            )
            if not found or self.mute:
                continue
            request = _requests.decode(found[1])
            reply = self._answer(request)
            self.store.lpush(channels.reply(self.broker, request.request_id), _encode(reply))

    def __enter__(self) -> FakeEngine:
        self.store.set(channels.lease(self.broker, self.book_id), "fake", ex=60)
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stopping = True
        self.join()
        self.store.delete(channels.lease(self.broker, self.book_id))
