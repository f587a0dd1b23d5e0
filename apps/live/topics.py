"""The two things a process listens to: a book's frames and a trading server's quotes."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

import msgspec

from apps.engine import channels
from apps.engine.messages import Frame, QuoteFrame, QuoteView
from apps.live.hub import Topic
from apps.live.patch import State

_FIGURES: tuple[Literal["balance", "equity", "floating", "margin"], ...] = (
    "balance",
    "equity",
    "floating",
    "margin",
)
_frames = msgspec.msgpack.Decoder(Frame)
_quotes = msgspec.msgpack.Decoder(QuoteFrame)


class FrameTopic(Topic):
    """The latest frame of one book, unpacked once for all who look at accounts of it."""

    def __init__(self, broker: str, book_id: UUID) -> None:
        super().__init__(channels.frames(broker, book_id), channels.frame(broker, book_id))
        self.frame: Frame | None = None
        self._places: dict[int, int] | None = None
        self._columns: dict[str, list[int]] | None = None

    def take(self, data: bytes) -> bool:
        frame = _frames.decode(data)
        if self.frame is not None and _age(frame) < _age(self.frame):
            return False  # a former owner's last words
        if self.frame is None or frame.account_ids != self.frame.account_ids:
            self._places = None
        self.frame, self._columns = frame, None
        return True

    def row(self, account_id: int) -> dict[str, int] | None:
        """The account's figures in the frame, None when it is not in it."""
        if self.frame is None:
            return None
        if self._places is None:
            ids = self.frame.vector("account_ids").tolist()
            self._places = {found: place for place, found in enumerate(ids)}
        if self._columns is None:
            self._columns = {name: self.frame.vector(name).tolist() for name in _FIGURES}
        place = self._places.get(account_id)
        if place is None:
            return None
        return {name: column[place] for name, column in self._columns.items()}


class QuoteTopic(Topic):
    """The latest quote of every symbol of one trading server.

    `version` counts the changes, `states` is what sockets show of them, made once for all.
    """

    def __init__(self, broker: str, server_id: int) -> None:
        super().__init__(
            channels.quotes(broker, server_id), channels.quotes_latest(broker, server_id)
        )
        self.quotes: dict[str, QuoteView] = {}
        self.states: dict[str, State] = {}
        self.version = 0

    def take(self, data: bytes) -> bool:
        changed = False
        for symbol, quote in _quotes.decode(data).quotes.items():
            known = self.quotes.get(symbol)
            if known is None or quote.at_ms >= known.at_ms:
                self.quotes[symbol] = quote
                self.states[symbol] = quote_state(quote)
                changed = True
        self.version += changed
        return changed


def quote_state(quote: QuoteView) -> State:
    return {"bid": quote.bid, "ask": quote.ask, "digits": quote.digits, "at_ms": quote.at_ms}


def _age(frame: Frame) -> tuple[int, int, int]:
    return frame.epoch, frame.seq, frame.at_ms
