"""Deciding closes: whole, in part, and of one account's tickets. Pure."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import numpy as np

from apps.core.allocation import apportion
from apps.core.book.codec import Vec
from apps.core.book.commands import CloseBlock
from apps.core.book.events import CloseRequested
from apps.core.book.market import Market, lots_to_steps
from apps.core.book.placing import Decided
from apps.core.book.state import Block, BookState
from apps.core.errors import InputError, RejectedError
from apps.core.ints import half_up_div


def close_block(state: BookState, command: CloseBlock, market: Market) -> Decided:
    """Share the steps to close over the open tickets and reserve them."""
    block = state.block(command.block_id)
    if block.status != "open":
        raise RejectedError("block_not_open", f"This block is {block.status}, not open.")
    market.fresh(block.symbol)
    total = _steps_to_close(state, block, command)
    steps = share_close(state, block, total)
    event = close_request(state, block, command.command_id, steps, market.now_ms, detaches=False)
    return [event], {
        "close_id": str(command.command_id),
        "block_id": str(block.block_id),
        "order_steps": event.order_steps,
        "tickets": int(event.ticket_ids.size),
        "remaining_steps": int((block.open_steps - block.closing_steps - steps).sum()),
        "status": "sent",
    }


def _steps_to_close(state: BookState, block: Block, command: CloseBlock) -> int:
    free = int((block.open_steps - block.closing_steps).sum())
    if free == 0:
        raise RejectedError("close_exceeds_open", "All of this block is being closed already.")
    if command.volume_lots is not None and command.fraction is not None:
        raise InputError("close_ambiguous", "Give lots or a fraction, not both.")
    if command.volume_lots is not None:
        total = lots_to_steps(command.volume_lots, state.symbol(block.symbol))
    elif command.fraction is not None:
        total = _fraction_of(command.fraction, free)
    else:
        total = free
    if total > free:
        step = state.symbol(block.symbol).volume_step
        raise RejectedError(
            "close_exceeds_open",
            f"Only {step * free} lots of this block can be closed, not {step * total}.",
            open_lots=str(step * free),
        )
    return total


def _fraction_of(fraction: Decimal, free: int) -> int:
    """K = half_up(fraction × open). Raises for nothing or more than everything."""
    if not fraction.is_finite() or not 0 < fraction <= 1:
        raise InputError("fraction_invalid", f"A fraction is in (0, 1], not {fraction}.")
    numerator, denominator = fraction.as_integer_ratio()
    total = half_up_div(free * numerator, denominator)
    if total == 0:
        raise RejectedError(
            "close_rounds_to_zero", f"{fraction} of what is open is less than half a step."
        )
    return total


def share_close(state: BookState, block: Block, total: int) -> Vec:
    """Steps per ticket: Hamilton with memory; what would leave a stub closes in full."""
    accounts = state.members.account_ids[block.members]
    given = int(block.given_steps.sum())
    steps = apportion(block.base_steps, block.given_steps, given + total, accounts)
    left = block.open_steps - block.closing_steps - steps
    stub = (steps > 0) & (left > 0) & (left < state.symbol(block.symbol).min_steps)
    return steps + np.where(stub, left, 0)


def close_request(
    state: BookState,
    block: Block,
    close_id: UUID,
    steps: Vec,
    now_ms: int,
    *,
    detaches: bool,
    reason: str = "",
) -> CloseRequested:
    """The event that reserves `steps` (int64 per ticket of the block)."""
    chosen = np.flatnonzero(steps)
    return CloseRequested(
        close_id=close_id,
        block_id=block.block_id,
        ticket_ids=block.ticket_ids[chosen],
        account_ids=state.members.account_ids[block.members[chosen]],
        steps=steps[chosen],
        order_steps=int(steps.sum()),
        detaches=detaches,
        decided_at_ms=now_ms,
        reason=reason,
    )


def close_of_member(
    state: BookState, block: Block, places: Vec, close_id: UUID, now_ms: int
) -> CloseRequested | None:
    """Close all that members at `places` have open in a block and nobody is closing yet."""
    free = block.open_steps - block.closing_steps
    steps = np.where(np.isin(block.members, places), free, 0)
    if not steps.any():
        return None
    return close_request(state, block, close_id, steps, now_ms, detaches=True)
