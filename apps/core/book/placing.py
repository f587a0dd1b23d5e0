"""Deciding new blocks: checks, the allocation with its reasons, triggers, cancels. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from apps.core.allocation import Rule
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import (
    CancelBlock,
    ExpireBlock,
    Inputs,
    PlaceBlock,
    QuoteIn,
    SymbolInfo,
    TriggerBlock,
)
from apps.core.book.events import (
    BlockAllocated,
    BlockCancelled,
    BlockPlaced,
    BlockRejected,
    CancelRequested,
    Event,
)
from apps.core.book.market import Market, lots_to_steps, price_to_points
from apps.core.book.risk.bounds import check_trading
from apps.core.book.sharing import Ask, allocate_block
from apps.core.book.state import OUT, Block, BookState, CancelIntent
from apps.core.book.stops import opening_stops
from apps.core.book.trailing import trailing_terms
from apps.core.errors import ConflictError, InputError, RejectedError

Decided = tuple[list[Event], dict[str, Any]]
_DAY_MS = 86_400_000


def place_block(state: BookState, command: PlaceBlock, inputs: Inputs, market: Market) -> Decided:
    """A market block is allocated at once; a limit or stop waits for its trigger."""
    placed = placed_block(state, command, inputs, market)
    if command.kind != "market":
        return answer_placed(placed, None)
    allocated, _ = allocate_block(state, inputs, market, Ask.of(placed))
    return answer_placed(placed, allocated)


def answer_placed(placed: BlockPlaced, allocated: BlockAllocated | None) -> Decided:
    """The events of a placed order, divided or waiting, and the answer."""
    result: dict[str, Any] = {
        "block_id": str(placed.block_id),
        "requested_steps": placed.requested_steps,
        "participants": int(placed.participants.size),
    }
    if allocated is None:
        return [placed], {**result, "status": "pending"}
    return [placed, allocated], {**result, "status": "sent", **allocation_summary(allocated)}


def placed_block(
    state: BookState, command: PlaceBlock, inputs: Inputs, market: Market
) -> BlockPlaced:
    """The order with its participants and everything about it checked; not yet divided."""
    check_trading(state)
    symbol = state.symbol(command.symbol)
    steps = order_steps(command.volume_lots, symbol)
    quote = market.fresh(symbol.name)
    price_points = _order_price(command, symbol, market)
    limit_points = _limit_price(command, symbol)
    participants = _participants(state)
    if not participants.size:
        raise RejectedError("no_participants", "No active account is linked to this book.")
    manual_accounts, manual_steps = _manual_lots(state, command.manual_lots, symbol)
    entry_points = price_points if limit_points is None else limit_points
    sl_points, tp_points = opening_stops(
        command.side, command.stop_loss, command.take_profit, symbol, entry_points, market
    )
    trailing_points, trailing_step_points = trailing_terms(
        command.trailing_distance, command.trailing_step, symbol, quote
    )
    return BlockPlaced(
        block_id=command.command_id,
        symbol=symbol.name,
        side=command.side,
        kind=command.kind,
        price_points=price_points,
        requested_steps=steps,
        rule=command.rule or state.rule or Rule(),
        participants=participants,
        placed_at_ms=inputs.now_ms,
        digits=symbol.digits,
        volume_step=symbol.volume_step,
        manual_accounts=manual_accounts,
        manual_steps=manual_steps,
        sl_points=sl_points,
        tp_points=tp_points,
        expires_at_ms=_expires_at_ms(command, inputs.now_ms),
        limit_points=limit_points,
        trailing_points=trailing_points,
        trailing_step_points=trailing_step_points,
    )


def _participants(state: BookState) -> Vec:
    """Ids of those who take part in new blocks; the members' own vector where that is everybody."""
    status = state.members.status
    staying = ~np.isin(status, OUT)
    return state.members.account_ids if staying.all() else state.members.account_ids[staying]


def _manual_lots(state: BookState, lots: dict[int, Decimal], symbol: SymbolInfo) -> tuple[Vec, Vec]:
    """(account ids, steps) of lots set by hand; zero is allowed and means none."""
    accounts = sorted(lots)
    for account_id in accounts:
        state.member(account_id)
    steps = [lots_to_steps(lots[a], symbol) if lots[a] != 0 else 0 for a in accounts]
    return vec(accounts), vec(steps)


def _expires_at_ms(command: PlaceBlock, now_ms: int) -> int | None:
    """Raises InputError `expiry_invalid`."""
    if (command.expiry == "date") != (command.expires_at_ms is not None):
        raise InputError("expiry_invalid", "A time of expiry goes with expiry date, and only so.")
    if command.expiry == "gtc":
        return None
    if command.kind == "market":
        raise InputError("expiry_invalid", "A market order does not wait, so it cannot expire.")
    if command.expiry == "day":
        return (now_ms // _DAY_MS + 1) * _DAY_MS
    if command.expires_at_ms is not None and command.expires_at_ms <= now_ms:
        raise InputError("expiry_invalid", "The order would expire in the past.")
    return command.expires_at_ms


def allocation_summary(event: BlockAllocated) -> dict[str, Any]:
    return {
        "order_steps": event.order_steps,
        "residual_steps": event.residual_steps,
        "accounts": int(np.count_nonzero(event.steps)),
        "first_ticket_id": event.first_ticket_id,
    }


def order_steps(lots: Decimal, symbol: SymbolInfo) -> int:
    steps = lots_to_steps(lots, symbol)
    if not symbol.min_steps <= steps <= symbol.max_steps:
        low, high = (symbol.volume_step * s for s in (symbol.min_steps, symbol.max_steps))
        raise RejectedError(
            "volume_below_min" if steps < symbol.min_steps else "volume_above_max",
            f"An order in {symbol.name} is between {low} and {high} lots, not {lots}.",
            symbol=symbol.name,
            min_lots=str(low),
            max_lots=str(high),
        )
    return steps


def _order_price(command: PlaceBlock, symbol: SymbolInfo, market: Market) -> int | None:
    """Points of a limit or stop price; None of a market order, which has none."""
    if command.kind == "market":
        if command.price is not None:
            raise InputError("price_not_allowed", "A market order has no price.")
        return None
    if command.price is None:
        raise InputError("price_required", f"A {command.kind} order needs a price.")
    return waiting_price(command.side, command.kind, command.price, symbol, market)


def _limit_price(command: PlaceBlock, symbol: SymbolInfo) -> int | None:
    """Points of a stop-limit's limit. Raises InputError `limit_price_required`,
    `limit_price_not_allowed`."""
    if command.kind != "stop_limit":
        if command.limit_price is not None:
            raise InputError("limit_price_not_allowed", "Only a stop-limit has a limit price.")
        return None
    if command.limit_price is None:
        raise InputError("limit_price_required", "A stop-limit needs its limit price.")
    return price_to_points(command.limit_price, symbol)


def waiting_price(side: str, kind: str, price: Decimal, symbol: SymbolInfo, market: Market) -> int:
    """Points of a limit or stop price, on the right side of the market."""
    points = price_to_points(price, symbol)
    quote = market.fresh(symbol.name)
    if is_reached(side, kind, points, quote.bid, quote.ask):
        raise RejectedError(
            "price_wrong_side",
            f"A {side} {kind} at {price} would execute at once"
            f" (bid {quote.bid}, ask {quote.ask} points).",
            price=str(price),
        )
    return points


def is_reached(side: str, kind: str, price_points: int, bid: int, ask: int) -> bool:
    """Whether a limit or stop price has been reached. Buys look at the ask, sells at the bid."""
    if side == "buy":
        return ask <= price_points if kind == "limit" else ask >= price_points
    return bid >= price_points if kind == "limit" else bid <= price_points


def is_ready(state: BookState, block: Block, quote: QuoteIn) -> bool:
    """Whether what a pending block waits for has come: its price, or the end of a closing."""
    if block.reverses is not None:
        return all(close.block_id != block.reverses for close in state.closes.values())
    if block.price_points is None:
        return False
    return is_reached(block.side, block.kind, block.price_points, quote.bid, quote.ask)


def trigger_block(
    state: BookState, stimulus: TriggerBlock, inputs: Inputs, market: Market
) -> Decided:
    """Allocate a pending block by what accounts are worth now; refuse it when that fails.

    The opposite of a block that is being reversed waits for its closing instead of a price, and
    is cancelled (`reverse_not_closed`) when that has failed.
    """
    block = state.block(stimulus.block_id)
    symbol = state.symbol(block.symbol)
    quote = market.fresh(symbol.name)
    if block.status != "pending":
        raise ConflictError("block_not_pending", "Only a pending block can be triggered.")
    if not is_ready(state, block, quote):
        raise ConflictError("price_not_reached", "The price of this block is not reached.")
    if block.reverses in state.blocks:
        code = "reverse_not_closed"
        return [BlockCancelled(block_id=block.block_id, code=code)], {"status": "cancelled"}
    try:
        allocated, _ = allocate_block(state, inputs, market, Ask.of(block))
    except (RejectedError, InputError) as error:
        return [BlockRejected(block_id=block.block_id, code=error.code, raw=error.message)], {}
    return [allocated], allocation_summary(allocated)


def cancel_block(state: BookState, command: CancelBlock) -> Decided:
    """Withdraw a pending block; ask the server about one whose order it has."""
    block = state.block(command.block_id)
    if block.status not in ("pending", "sent"):
        raise RejectedError("block_not_pending", "This block is open: close it instead.")
    if not can_be_withdrawn(state, block):
        raise RejectedError(
            "legs_on_their_way", "The accounts' own orders are at the market: close what opens."
        )
    event = withdraw(block, uuid5(command.command_id, "cancel"), "cancelled_by_user")
    status = "cancelled" if isinstance(event, BlockCancelled) else "cancelling"
    return [event], {"block_id": str(block.block_id), "status": status}


def withdraw(block: Block, cancel_id: UUID, code: str) -> BlockCancelled | CancelRequested:
    """A pending block is off at once; an order at the server is asked back."""
    if block.status == "pending":
        return BlockCancelled(block_id=block.block_id, code=code)
    return CancelRequested(block_id=block.block_id, cancel_id=cancel_id)


def can_be_withdrawn(state: BookState, block: Block) -> bool:
    """Pending, or its one order is at the server; legs are market orders, nothing can be asked
    back of them."""
    return block.status == "pending" or (block.status == "sent" and block.block_id in state.intents)


def is_being_cancelled(state: BookState, block: Block) -> bool:
    return any(
        isinstance(intent, CancelIntent) and intent.order_id == block.block_id
        for intent in state.intents.values()
    )


def expire_block(state: BookState, stimulus: ExpireBlock, now_ms: int) -> Decided:
    """End an order whose time is over."""
    block = state.block(stimulus.block_id)
    if not can_be_withdrawn(state, block) or is_being_cancelled(state, block):
        raise ConflictError("block_not_pending", "Only a pending block can expire.")
    if block.expires_at_ms is None or now_ms < block.expires_at_ms:
        raise ConflictError("not_expired", "The time of this block is not over.")
    return [withdraw(block, uuid5(stimulus.command_id, "cancel"), "expired")], {}
