"""Closing two opposite blocks of a symbol against each other, account by account. Pure.

Where the server nets, both sides are booked in one operation at the open price of the second, so
that the first realises the whole difference, as trading platforms book a close-by; no order is
sent and no spread is paid. Elsewhere, and where accounts have orders of their own, each side is
closed at the market.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from apps.core.book.closing import close_request
from apps.core.book.codec import Vec
from apps.core.book.commands import CloseBy, Inputs
from apps.core.book.events import Event
from apps.core.book.filling import close_filled
from apps.core.book.market import Market
from apps.core.book.placing import Decided
from apps.core.book.state import Block, BookState, Close, Fills
from apps.core.errors import RejectedError


def close_by(state: BookState, command: CloseBy, inputs: Inputs, market: Market) -> Decided:
    """Per account the smaller of its two tickets.

    Raises RejectedError `close_by_mismatch`, `block_not_open`, `nothing_to_close`.
    """
    first, second = state.block(command.block_id), state.block(command.other_block_id)
    _check_pair(first, second)
    market.fresh(first.symbol)
    steps = _common_steps(first, second)
    total = int(steps[0].sum())
    if not total:
        raise RejectedError(
            "nothing_to_close", "No account has something open in both blocks to be closed."
        )
    sides = [
        (block, uuid5(command.command_id, str(block.block_id)), mine)
        for block, mine in zip((first, second), steps, strict=True)
    ]
    events: list[Event] = [
        close_request(state, block, close_id, mine, market.now_ms, detaches=True, reason="close_by")
        for block, close_id, mine in sides
    ]
    nets = inputs.can_net and first.legs is None and second.legs is None
    if nets:
        booking_id = uuid5(command.command_id, "book")
        for block, close_id, mine in sides:
            events += _booked(state, block, close_id, mine, second.open_points, booking_id, market)
    return events, {
        "block_id": str(first.block_id),
        "other_block_id": str(second.block_id),
        "closed_steps": total,
        "accounts": int(np.count_nonzero(steps[0])),
        "order_steps": 0 if nets else 2 * total,
        "status": "closed" if nets else "sent",
    }


def _check_pair(first: Block, second: Block) -> None:
    for block in (first, second):
        if block.status != "open":
            raise RejectedError(
                "block_not_open", f"Block {block.block_id} is {block.status}, not open."
            )
    if first.symbol != second.symbol or first.side == second.side:
        raise RejectedError(
            "close_by_mismatch", "Two blocks of one symbol and opposite sides close each other."
        )


def _common_steps(first: Block, second: Block) -> tuple[Vec, Vec]:
    """What each ticket of the first and of the second gives: int64 per ticket."""
    _, mine, theirs = np.intersect1d(first.members, second.members, return_indices=True)
    free = [block.open_steps - block.closing_steps for block in (first, second)]
    common = np.minimum(free[0][mine], free[1][theirs])
    steps = np.zeros_like(free[0]), np.zeros_like(free[1])
    steps[0][mine], steps[1][theirs] = common, common
    return steps


def _booked(
    state: BookState,
    block: Block,
    close_id: UUID,
    steps: Vec,
    price: int,
    booking_id: UUID,
    market: Market,
) -> list[Event]:
    """The closing of one side, done with this record."""
    chosen = np.flatnonzero(steps)
    total = int(steps.sum())
    close = Close(
        close_id=close_id,
        block_id=block.block_id,
        ordinals=chosen,
        steps=steps[chosen],
        order_steps=total,
        detaches=True,
    )
    fills = Fills([], total, total * price)
    return close_filled(
        state, close, fills, price, 0, {}, market.now_ms, market, booking_id=booking_id
    )
