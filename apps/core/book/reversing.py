"""Reversing a block: close what is open, then open the opposite. Pure.

The opposite waits as a pending block until the closing has filled, so that it is divided by what
is free then; see `placing.trigger_block` for its second step.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from apps.core.allocation import Method
from apps.core.book.closing import close_request
from apps.core.book.commands import ReverseBlock, Side
from apps.core.book.events import BlockPlaced
from apps.core.book.market import Market
from apps.core.book.placing import Decided, order_steps
from apps.core.book.state import DETACHED, DETACHING, BookState
from apps.core.book.stops import opening_stops
from apps.core.book.trailing import trailing_terms
from apps.core.errors import RejectedError

OPENS_WITHIN_MS = 60_000
"""The opposite is not opened any more when the closing took longer."""


def opposite_block_id(command_id: UUID) -> UUID:
    """The id of the block that a ReverseBlock opens."""
    return uuid5(command_id, "opposite")


def reverse_block(state: BookState, command: ReverseBlock, market: Market) -> Decided:
    """Send the closing order and place the opposite, which waits for it.

    Raises RejectedError `block_not_open`, `close_exceeds_open`, `stop_loss_required`,
    `no_participants` and what an order of this volume and these stops is refused for.
    """
    block = state.block(command.block_id)
    symbol = state.symbol(block.symbol)
    quote = market.fresh(symbol.name)
    if block.status != "open":
        raise RejectedError("block_not_open", f"This block is {block.status}, not open.")
    free = block.open_steps - block.closing_steps
    if not free.any():
        raise RejectedError("close_exceeds_open", "All of this block is being closed already.")
    if block.rule.method is Method.RISK_PERCENT and command.stop_loss is None:
        raise RejectedError("stop_loss_required", "Sizing by risk needs a stop loss.")
    lots = command.volume_lots
    steps = order_steps(int(free.sum()) * symbol.volume_step if lots is None else lots, symbol)
    side: Side = "sell" if block.side == "buy" else "buy"
    sl, tp = opening_stops(side, command.stop_loss, command.take_profit, symbol, None, market)
    trailing, step = trailing_terms(command.trailing_distance, command.trailing_step, symbol, quote)
    status = state.members.status
    places = np.flatnonzero((status != DETACHED) & (status != DETACHING))
    if not places.size:
        raise RejectedError("no_participants", "No active account is linked to this book.")
    close = close_request(
        state, block, command.command_id, free, market.now_ms, detaches=False, reason="reverse"
    )
    placed = BlockPlaced(
        block_id=opposite_block_id(command.command_id),
        symbol=symbol.name,
        side=side,
        kind="market",
        price_points=None,
        requested_steps=steps,
        rule=block.rule,
        participants=state.members.account_ids[places],
        placed_at_ms=market.now_ms,
        digits=symbol.digits,
        volume_step=symbol.volume_step,
        sl_points=sl,
        tp_points=tp,
        expires_at_ms=market.now_ms + OPENS_WITHIN_MS,
        origin="reverse",
        trailing_points=trailing,
        trailing_step_points=step,
        reverses=block.block_id,
    )
    return [close, placed], {
        "close_id": str(close.close_id),
        "closed_block_id": str(block.block_id),
        "block_id": str(placed.block_id),
        "requested_steps": steps,
        "order_steps": close.order_steps,
        "status": "sent",
    }
