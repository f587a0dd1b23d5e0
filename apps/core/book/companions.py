"""Companion blocks: what a joining account takes over of an open block. Pure.

Every ticket of a block has the block's one price, and a joining account opens at today's. So its
share is a block of its own beside the parent (`parent_id`), opened by an order of its own, and it
is closed with the parent, in the same part: half of the parent closed closes half of it, by a
closing order of its own, again at one price. The alternative, tickets of two prices in one block,
would make the price of a block, its P&L and the proof of its shares depend on who asks.

The part is cumulative, as everywhere: K = half_up(part of the parent closed since it follows ×
what it held then), so that many small closes do not add up their rounding. A leaver's tickets close
without the others', so they are no part of it: at every re-basing of the parent its companions are
re-based too. A companion whose parent is gone stands on its own.
"""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np

from apps.core.book.closing import close_request, share_close
from apps.core.book.codec import Vec
from apps.core.book.events import BlockAmended, CloseRequested, Event
from apps.core.book.state import Block, BookState
from apps.core.ints import half_up_div

CLOSE_BY = "close_by"
"""The one reason for which a close of chosen tickets is the manager's own."""


def companions_of(state: BookState, parent_id: UUID) -> list[Block]:
    """Open ones."""
    return [
        block
        for block in state.blocks.values()
        if block.parent_id == parent_id and block.status == "open"
    ]


def follow(state: BookState, events: list[Event], now_ms: int) -> list[Event]:
    """What companions do because of these events of their parents: closes, and stops moved.

    Whoever closes a block, for whatever reason, need not think of its companions; those that the
    events close themselves (everything at once) are left alone.
    """
    if all(block.parent_id is None for block in state.blocks.values()):
        return []
    found: list[Event] = []
    handled = {e.block_id for e in events if isinstance(e, CloseRequested | BlockAmended)}
    for event in events:
        match event:
            case CloseRequested() if not event.detaches or event.reason == CLOSE_BY:
                found += _closes(state, event, handled, now_ms)
            case BlockAmended():
                found += _amendments(state, event, handled)
            case _:
                continue
    return found


def _closes(
    state: BookState, event: CloseRequested, handled: set[UUID], now_ms: int
) -> list[Event]:
    parent = state.blocks[event.block_id]
    found: list[Event] = []
    for block in companions_of(state, parent.block_id):
        total = _part(parent, event, block)
        if not total or block.block_id in handled:
            continue
        close_id = uuid5(event.close_id, f"follow:{block.block_id}")
        steps = share_close(state, block, total)
        found.append(
            close_request(
                state, block, close_id, steps, now_ms, detaches=event.detaches, reason=event.reason
            )
        )
    return found


def _amendments(state: BookState, event: BlockAmended, handled: set[UUID]) -> list[Event]:
    """Stop loss and take profit of a block are its companions'."""
    return [
        BlockAmended(
            block_id=block.block_id,
            price_points=block.price_points,
            requested_steps=block.requested_steps,
            sl_points=event.sl_points,
            tp_points=event.tp_points,
        )
        for block in companions_of(state, event.block_id)
        if block.block_id not in handled
    ]


def _part(parent: Block, event: CloseRequested, block: Block) -> int:
    """Steps of a companion to close now; all that is free when nothing of the parent is left."""
    free = int((block.open_steps - block.closing_steps).sum())
    held = int((parent.open_steps - parent.closing_steps).sum())
    if held <= event.order_steps:
        return free
    if event.detaches:  # both are re-based by it: the part of what is left
        return half_up_div(free * event.order_steps, held)
    due = _due(parent, event.order_steps, block, int(block.base_steps.sum()))
    return max(0, min(free, due - int(block.given_steps.sum())))


def _due(parent: Block, closed_steps: int, block: Block, held_steps: int) -> int:
    """Of `held_steps`, what must be closed when the parent has given `closed_steps` more."""
    base = int(parent.base_steps.sum()) - block.parent_given_steps
    given = int(parent.given_steps.sum()) + closed_steps - block.parent_given_steps
    return half_up_div(held_steps * given, base) if base > 0 else held_steps


def follow_at_fill(state: BookState, block: Block, steps: Vec, at_ms: int) -> CloseRequested | None:
    """What a companion closes as soon as it opens: its parent closed while it was on its way.

    steps: int64 per ticket, opened just now. All of them when the parent is gone.
    """
    if block.parent_id is None:
        return None
    parent = state.blocks.get(block.parent_id)
    held = int(steps.sum())
    free = 0 if parent is None else int((parent.open_steps - parent.closing_steps).sum())
    due = held if parent is None or not free else min(held, _due(parent, 0, block, held))
    if not due:
        return None
    opened = as_opened(block, steps)
    close_id = uuid5(block.block_id, "follow")
    return close_request(
        state, opened, close_id, share_close(state, opened, due), at_ms, detaches=False
    )


def as_opened(block: Block, steps: Vec) -> Block:
    """The block as it will be once its fill is applied."""
    return Block(
        block_id=block.block_id,
        symbol=block.symbol,
        side=block.side,
        kind=block.kind,
        price_points=None,
        requested_steps=block.requested_steps,
        rule=block.rule,
        participants=block.participants,
        first_ticket_id=block.first_ticket_id,
        members=block.members,
        open_steps=steps,
        closing_steps=np.zeros_like(steps),
        base_steps=steps,
        given_steps=np.zeros_like(steps),
    )
