"""Blocks up to their last close."""

from __future__ import annotations

import numpy as np

from apps.core.book import events as ev
from apps.core.book.apply.shared import Handlers, expose, intend_booking
from apps.core.book.codec import Vec
from apps.core.book.state import (
    Block,
    BookState,
    CancelIntent,
    CarryState,
    Fills,
    SubmitIntent,
    next_status,
)


def _placed(state: BookState, event: ev.BlockPlaced) -> None:
    state.blocks[event.block_id] = Block(
        block_id=event.block_id,
        symbol=event.symbol,
        side=event.side,
        kind=event.kind,
        price_points=event.price_points,
        requested_steps=event.requested_steps,
        rule=event.rule,
        participants=event.participants,
        manual_accounts=event.manual_accounts,
        manual_steps=event.manual_steps,
        sl_points=event.sl_points,
        tp_points=event.tp_points,
        expires_at_ms=event.expires_at_ms,
        limit_points=event.limit_points,
        trailing_points=event.trailing_points,
        trailing_step_points=event.trailing_step_points,
        reverses=event.reverses,
    )


def _amended(state: BookState, event: ev.BlockAmended) -> None:
    block = state.blocks[event.block_id]
    block.price_points, block.requested_steps = event.price_points, event.requested_steps
    block.sl_points, block.tp_points = event.sl_points, event.tp_points
    block.limit_points, block.trailing_points = event.limit_points, event.trailing_points
    block.trailing_step_points = event.trailing_step_points


def _trailed(state: BookState, event: ev.StopTrailed) -> None:
    state.blocks[event.block_id].sl_points = event.sl_points


def _allocated(state: BookState, event: ev.BlockAllocated) -> None:
    block = state.blocks[event.block_id]
    block.status = next_status(block.status, "allocated")
    served = np.flatnonzero(event.steps)
    places = state.places(event.account_ids)
    block.members = places[served]
    block.target_steps = event.steps[served]
    block.order_steps = event.order_steps
    block.first_ticket_id = event.first_ticket_id
    for name in ("open_steps", "closing_steps", "base_steps", "given_steps"):
        setattr(block, name, np.zeros(served.size, dtype=np.int64))
    state.next_ticket_id = event.first_ticket_id + int(served.size)
    if event.carry.size:
        _keep_carry(state, block.symbol, places, event.carry, event.carry_denominator)
    state.intents[block.block_id] = SubmitIntent(
        order_id=block.block_id,
        symbol=block.symbol,
        side=block.side,
        steps=event.order_steps,
        kind="market" if block.order_limit_points is None else "limit",
        price_points=block.order_limit_points,
        closing=False,
        decided_at_ms=event.decided_at_ms,
    )


def _keep_carry(state: BookState, symbol: str, places: Vec, carry: Vec, denominator: int) -> None:
    """Members that took no part keep theirs, over the new denominator."""
    old = state.carries.get(symbol)
    whole = (
        old.as_carry().over(denominator).copy()
        if old is not None
        else np.zeros(state.members.size, dtype=np.int64)
    )
    whole[places] = carry
    state.carries[symbol] = CarryState(whole, denominator)


def _cancel_requested(state: BookState, event: ev.CancelRequested) -> None:
    state.intents[event.cancel_id] = CancelIntent(
        cancel_id=event.cancel_id, order_id=event.block_id
    )


def _cancel_settled(state: BookState, event: ev.CancelSettled) -> None:
    del state.intents[event.cancel_id]


def _block_off(state: BookState, event: ev.BlockCancelled | ev.BlockRejected) -> None:
    block = state.blocks.pop(event.block_id)
    if block.status == "sent":
        state.end_order(block.block_id, closing=False)
    how = "cancelled" if isinstance(event, ev.BlockCancelled) else "rejected"
    block.status = next_status(block.status, how)
    state.intents.pop(event.block_id, None)


def _partly(state: BookState, event: ev.OrderPartlyFilled) -> None:
    order = state.closes.get(event.order_id) or state.blocks[event.order_id]
    order.fills = Fills(
        [*order.fills.deal_ids, event.deal_id],
        order.fills.steps + event.steps,
        order.fills.point_steps + event.steps * event.price_points,
    )


def _block_filled(state: BookState, event: ev.BlockFilled) -> None:
    block = state.blocks[event.block_id]
    block.status = next_status(block.status, "filled")
    block.open_points = event.price_points
    block.open_steps = event.steps.copy()
    block.base_steps = event.steps.copy()
    block.fills = Fills()
    if event.filled_steps < block.order_steps:
        state.end_order(block.block_id, closing=False)
    expose(state, block, block.members, event.steps, event.price_points)
    del state.intents[event.block_id]
    intend_booking(state, block, event, block.members, block.ticket_ids)


def _block_closed(state: BookState, event: ev.BlockClosed) -> None:
    block = state.blocks.pop(event.block_id)
    block.status = next_status(block.status, "closed")


HANDLERS: Handlers = {
    ev.BlockAmended: _amended,
    ev.StopTrailed: _trailed,
    ev.BlockPlaced: _placed,
    ev.BlockAllocated: _allocated,
    ev.CancelRequested: _cancel_requested,
    ev.CancelSettled: _cancel_settled,
    ev.BlockCancelled: _block_off,
    ev.BlockRejected: _block_off,
    ev.OrderPartlyFilled: _partly,
    ev.BlockFilled: _block_filled,
    ev.BlockClosed: _block_closed,
}
