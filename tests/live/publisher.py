"""What an engine publishes, over the real Redis, for sockets to show."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import redis
from django.conf import settings

from apps.engine import channels
from apps.engine.messages import BlockView, Frame, QuoteFrame, QuoteView

_encode = msgspec.msgpack.Encoder().encode


def now_ms() -> int:
    return int(time.time() * 1000)


def frame(
    rows: Iterable[tuple[int, int, int, int, int]],
    *,
    seq: int = 1,
    epoch: int = 1,
    blocks: Iterable[BlockView] = (),
    at_ms: int = 0,
    **totals: Any,
) -> Frame:
    """`rows`: (account_id, balance, equity, floating, margin)."""
    columns = list(zip(*rows, strict=True)) or [()] * 5
    packed = [np.array(column, dtype="<i8").tobytes() for column in columns]
    return Frame(
        epoch=epoch,
        seq=seq,
        at_ms=at_ms or now_ms(),
        account_ids=packed[0],
        balance=packed[1],
        equity=packed[2],
        floating=packed[3],
        margin=packed[4],
        blocks=list(blocks),
        aum_minor=totals.get("aum", {"USD": sum(columns[2])}),
        book_currency="USD",
        book_floating_minor=totals.get("floating", sum(columns[3])),
        book_aum_minor=sum(columns[2]),
    )


class Publisher:
    """Publishes as the engine does: the channel and the key that keeps the last message."""

    def __init__(self, broker: str, book_id: UUID, server_id: int) -> None:
        self.broker = broker
        self.server_id = server_id
        self.book_id = book_id
        self.store = redis.Redis.from_url(settings.REDIS_URL)

    def frame(self, shown: Frame) -> None:
        data = _encode(shown)
        self.store.set(channels.frame(self.broker, self.book_id), data)
        self.store.publish(channels.frames(self.broker, self.book_id), data)

    def quote(self, symbol: str = "EURUSD", bid: str = "1.08500", ask: str = "1.08510") -> None:
        at_ms = now_ms()
        view = QuoteView(symbol=symbol, bid=bid, ask=ask, digits=5, at_ms=at_ms)
        data = _encode(QuoteFrame(at_ms=at_ms, quotes={symbol: view}))
        self.store.set(channels.quotes_latest(self.broker, self.server_id), data)
        self.store.publish(channels.quotes(self.broker, self.server_id), data)
