"""The two things a process listens to: a book's frames and a trading server's quotes."""

from __future__ import annotations

from uuid import UUID

import msgspec

from apps.engine import channels
from apps.engine.messages import Frame, QuoteFrame, QuoteView
from apps.live.hub import Topic

_frames = msgspec.msgpack.Decoder(Frame)
_quotes = msgspec.msgpack.Decoder(QuoteFrame)


class FrameTopic(Topic):
    """The latest frame of one book."""

    def __init__(self, broker: str, book_id: UUID) -> None:
        super().__init__(channels.frames(broker, book_id), channels.frame(broker, book_id))
        self.frame: Frame | None = None

    def take(self, data: bytes) -> bool:
        frame = _frames.decode(data)
        if self.frame is not None and _age(frame) < _age(self.frame):
            return False  # a former owner's last words
        self.frame = frame
        return True


class QuoteTopic(Topic):
    """The latest quote of every symbol of one trading server."""

    def __init__(self, broker: str, server_id: int) -> None:
        super().__init__(
            channels.quotes(broker, server_id), channels.quotes_latest(broker, server_id)
        )
        self.quotes: dict[str, QuoteView] = {}

    def take(self, data: bytes) -> bool:
        changed = False
        for symbol, quote in _quotes.decode(data).quotes.items():
            known = self.quotes.get(symbol)
            if known is None or quote.at_ms >= known.at_ms:
                self.quotes[symbol] = quote
                changed = True
        return changed


def _age(frame: Frame) -> tuple[int, int, int]:
    return frame.epoch, frame.seq, frame.at_ms
