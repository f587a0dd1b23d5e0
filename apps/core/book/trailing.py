"""Trailing stops: the stop loss of a block follows the price. Pure.

It moves in steps, so that a journal is not one record per quote, and only ever becomes tighter.
Where it stands is the block's own stop loss: it survives a restart and triggers as any other. It
starts at the distance from the price the block opened at.
"""

from __future__ import annotations

from decimal import Decimal

from apps.core.book.commands import QuoteIn, SymbolInfo
from apps.core.book.events import Event, StopTrailed
from apps.core.book.market import price_to_points
from apps.core.book.state import Block
from apps.core.errors import InputError, RejectedError
from apps.core.orders import trailed_stop

STEPS_OF_DISTANCE = 10
"""A trailing stop moves by a tenth of its distance where no step is given."""


def trailing_terms(
    distance: Decimal | None, step: Decimal | None, symbol: SymbolInfo, quote: QuoteIn
) -> tuple[int | None, int | None]:
    """(distance, step) in points; None where nothing trails.

    Raises InputError `trailing_invalid`, RejectedError `trailing_too_close`.
    """
    if distance is None:
        if step is not None:
            raise InputError("trailing_invalid", "A trailing step goes with a distance.")
        return None, None
    points = price_to_points(distance, symbol)
    if points <= quote.ask - quote.bid:
        raise RejectedError(
            "trailing_too_close",
            f"A trailing distance is more than the spread of {quote.ask - quote.bid} points,"
            f" not {points}.",
            spread_points=quote.ask - quote.bid,
        )
    step_points = max(1, points // STEPS_OF_DISTANCE)
    if step is not None:
        step_points = price_to_points(step, symbol)
    if step_points > points:
        raise InputError("trailing_invalid", "A trailing step is at most the distance.")
    return points, step_points


def amended_terms(
    block: Block,
    distance: Decimal | None,
    step: Decimal | None,
    symbol: SymbolInfo,
    quote: QuoteIn,
) -> tuple[int | None, int | None]:
    """The same after an amendment: None leaves, a distance of zero ends it."""
    if distance is None and step is None:
        return block.trailing_points, block.trailing_step_points
    if distance == 0:
        return None, None
    if distance is None and block.trailing_points is not None:
        distance = Decimal(block.trailing_points).scaleb(-symbol.digits)
    return trailing_terms(distance, step, symbol, quote)


def trailed(block: Block, quote: QuoteIn) -> int | None:
    """Where the stop loss goes by this quote; None when that is less than a step further."""
    if block.trailing_points is None:
        return None
    stop = trailed_stop(block.sign, block.sl_points, block.trailing_points, quote.bid, quote.ask)
    if stop is None or stop == block.sl_points:
        return None
    least = block.trailing_step_points or 1
    if block.sl_points is not None and abs(stop - block.sl_points) < least:
        return None
    return stop


def first_stop(block: Block, open_points: int) -> list[Event]:
    """The stop loss that a block opens with, where it trails."""
    if block.trailing_points is None:
        return []
    stop = trailed_stop(
        block.sign, block.sl_points, block.trailing_points, open_points, open_points
    )
    if stop is None or stop == block.sl_points:
        return []
    return [StopTrailed(block_id=block.block_id, sl_points=stop)]
