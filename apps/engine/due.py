"""What time and prices ask for: triggers, stops, expiries. The book decides; this only notices."""

from __future__ import annotations

from apps.core.book.commands import ExpireBlock, QuoteIn, StopBlock, TriggerBlock
from apps.core.book.placing import is_being_cancelled, is_reached
from apps.core.book.state import Block, BookState
from apps.core.book.stops import stop_reached

QUOTE_MAX_AGE_MS = 15_000
Due = type[TriggerBlock] | type[StopBlock] | type[ExpireBlock]


def due(state: BookState, block: Block, quote: QuoteIn | None, at_ms: int) -> Due | None:
    """What has to happen to this block now, by the time and the last quote; usually nothing."""
    if block.status in ("pending", "sent"):
        expires_at_ms = block.expires_at_ms
        if expires_at_ms is not None and expires_at_ms <= at_ms:
            return None if is_being_cancelled(state, block) else ExpireBlock
    if quote is None or quote.at_ms < at_ms - QUOTE_MAX_AGE_MS:
        return None
    if block.status == "pending" and block.price_points is not None:
        is_due = is_reached(block.side, block.kind, block.price_points, quote.bid, quote.ask)
        return TriggerBlock if is_due else None
    if block.status == "open" and stop_reached(block, quote):
        return StopBlock if (block.open_steps - block.closing_steps).any() else None
    return None
