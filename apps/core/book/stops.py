"""Stop loss and take profit: prices of a block, the same for all its accounts. Pure.

They are watched here, from the quotes, as pending prices are: a server's own stop would close the
master's volume, which is nobody's.
"""

from __future__ import annotations

from decimal import Decimal

from apps.core.book.commands import QuoteIn, SymbolInfo
from apps.core.book.market import Market, price_to_points
from apps.core.book.state import Block
from apps.core.errors import RejectedError


def opening_stops(
    side: str,
    stop_loss: Decimal | None,
    take_profit: Decimal | None,
    symbol: SymbolInfo,
    price_points: int | None,
    market: Market,
) -> tuple[int | None, int | None]:
    """(SL, TP) in points of a new order, on the right sides of the price it would open at.

    `price_points`: that price, None for a market order.
    """
    if stop_loss is None and take_profit is None:
        return None, None
    quote = market.fresh(symbol.name)
    low = price_points if price_points is not None else quote.bid
    high = price_points if price_points is not None else quote.ask
    sl = None if stop_loss is None else price_to_points(stop_loss, symbol)
    tp = None if take_profit is None else price_to_points(take_profit, symbol)
    check_stops(side, sl, tp, low, high)
    return sl, tp


def changed(value: Decimal | None, before: int | None, symbol: SymbolInfo) -> int | None:
    """Points after an amendment: None leaves, zero removes."""
    if value is None:
        return before
    return None if value == 0 else price_to_points(value, symbol)


def check_stops(side: str, sl: int | None, tp: int | None, low: int, high: int) -> None:
    """`low`, `high`: bid and ask, or twice the price of a pending order.

    Raises RejectedError `stop_loss_wrong_side`, `take_profit_wrong_side`.
    """
    sign = 1 if side == "buy" else -1
    here = low if side == "buy" else high
    if sl is not None and (here - sl) * sign <= 0:
        raise RejectedError(
            "stop_loss_wrong_side",
            f"The stop loss of a {side} at {here} points is not on its losing side: {sl}.",
        )
    if tp is not None and (tp - here) * sign <= 0:
        raise RejectedError(
            "take_profit_wrong_side",
            f"The take profit of a {side} at {here} points is not on its winning side: {tp}.",
        )


def stop_reached(block: Block, quote: QuoteIn) -> str:
    """stop_loss, take_profit, or nothing. A long closes at the bid, a short at the ask."""
    here = quote.bid if block.side == "buy" else quote.ask
    if block.sl_points is not None and (here - block.sl_points) * block.sign <= 0:
        return "stop_loss"
    if block.tp_points is not None and (here - block.tp_points) * block.sign >= 0:
        return "take_profit"
    return ""
