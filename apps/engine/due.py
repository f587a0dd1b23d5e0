"""What time and prices ask for: triggers, stops, trailing, expiries. This notices, the book
decides."""

from __future__ import annotations

from apps.core.book.commands import ExpireBlock, QuoteIn, StopBlock, TrailStop, TriggerBlock
from apps.core.book.placing import is_being_cancelled, is_ready
from apps.core.book.state import Block, BookState
from apps.core.book.stops import stop_reached
from apps.core.book.trailing import trailed
from apps.core.sessions import is_open

QUOTE_MAX_AGE_MS = 15_000
Due = type[TriggerBlock] | type[StopBlock] | type[TrailStop] | type[ExpireBlock]


def due(state: BookState, block: Block, quote: QuoteIn | None, at_ms: int) -> Due | None:
    """What has to happen to this block now, by the time and the last quote; usually nothing."""
    if block.status in ("pending", "sent"):
        expires_at_ms = block.expires_at_ms
        if expires_at_ms is not None and expires_at_ms <= at_ms:
            return None if is_being_cancelled(state, block) else ExpireBlock
    if quote is None or quote.at_ms < at_ms - QUOTE_MAX_AGE_MS:
        return None
    if not is_open(state.sessions.get(block.symbol, ()), at_ms):
        return None
    if block.status == "pending":
        return TriggerBlock if is_ready(state, block, quote) else None
    if block.status == "open" and (block.open_steps - block.closing_steps).any():
        if stop_reached(block, quote):
            return StopBlock
        return TrailStop if trailed(block, quote) is not None else None
    return None
