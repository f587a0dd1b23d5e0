"""Deciding new blocks: checks, the allocation with its reasons, triggers, cancels. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid5

import numpy as np

from apps.core.allocation import AllocationRequest, AllocationResult, Method, Reason, Rule, allocate
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import CancelBlock, Inputs, PlaceBlock, SymbolInfo, TriggerBlock
from apps.core.book.events import (
    BlockAllocated,
    BlockCancelled,
    BlockPlaced,
    BlockRejected,
    CancelRequested,
    Event,
)
from apps.core.book.market import Market, lots_to_steps, price_to_points, rate
from apps.core.book.marking import floating, margin_caps
from apps.core.book.state import ACTIVE, DETACHED, BookState
from apps.core.errors import ConflictError, InputError, RejectedError
from apps.core.pnl import convert_minor

_E8 = 10**8
Decided = tuple[list[Event], dict[str, Any]]


def place_block(state: BookState, command: PlaceBlock, inputs: Inputs, market: Market) -> Decided:
    """A market block is allocated at once; a limit or stop waits for its trigger."""
    symbol = state.symbol(command.symbol)
    steps = _order_steps(command.volume_lots, symbol)
    market.fresh(symbol.name)
    price_points = _order_price(command, symbol, market)
    places = np.flatnonzero(state.members.status == ACTIVE)
    if not places.size:
        raise RejectedError("no_participants", "No active account is linked to this book.")
    placed = BlockPlaced(
        block_id=command.command_id,
        symbol=symbol.name,
        side=command.side,
        kind=command.kind,
        price_points=price_points,
        requested_steps=steps,
        rule=command.rule,
        participants=state.members.account_ids[places],
        placed_at_ms=inputs.now_ms,
        digits=symbol.digits,
        volume_step=symbol.volume_step,
    )
    result: dict[str, Any] = {
        "block_id": str(command.command_id),
        "requested_steps": steps,
        "participants": int(places.size),
    }
    if command.kind != "market":
        return [placed], {**result, "status": "pending"}
    allocated, _ = allocate_block(
        state, inputs, market, placed.block_id, symbol, steps, command.rule, placed.participants
    )
    return [placed, allocated], {**result, "status": "sent", **allocation_summary(allocated)}


def allocation_summary(event: BlockAllocated) -> dict[str, Any]:
    return {
        "order_steps": event.order_steps,
        "residual_steps": event.residual_steps,
        "accounts": int(np.count_nonzero(event.steps)),
        "first_ticket_id": event.first_ticket_id,
    }


def _order_steps(lots: Decimal, symbol: SymbolInfo) -> int:
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
    """Points of a limit or stop price, on the right side of the market."""
    if command.kind == "market":
        if command.price is not None:
            raise InputError("price_not_allowed", "A market order has no price.")
        return None
    if command.price is None:
        raise InputError("price_required", f"A {command.kind} order needs a price.")
    points = price_to_points(command.price, symbol)
    quote = market.fresh(symbol.name)
    if is_reached(command.side, command.kind, points, quote.bid, quote.ask):
        raise RejectedError(
            "price_wrong_side",
            f"A {command.side} {command.kind} at {command.price} would execute at once"
            f" (bid {quote.bid}, ask {quote.ask} points).",
            price=str(command.price),
        )
    return points


def is_reached(side: str, kind: str, price_points: int, bid: int, ask: int) -> bool:
    """Whether a limit or stop price has been reached. Buys look at the ask, sells at the bid."""
    if side == "buy":
        return ask <= price_points if kind == "limit" else ask >= price_points
    return bid >= price_points if kind == "limit" else bid <= price_points


def trigger_block(
    state: BookState, stimulus: TriggerBlock, inputs: Inputs, market: Market
) -> Decided:
    """Allocate a pending block by what accounts are worth now; refuse it when that fails."""
    block = state.block(stimulus.block_id)
    symbol = state.symbol(block.symbol)
    quote = market.fresh(symbol.name)
    if block.status != "pending" or block.price_points is None:
        raise ConflictError("block_not_pending", "Only a pending block can be triggered.")
    if not is_reached(block.side, block.kind, block.price_points, quote.bid, quote.ask):
        raise ConflictError("price_not_reached", "The price of this block is not reached.")
    try:
        allocated, _ = allocate_block(
            state,
            inputs,
            market,
            block.block_id,
            symbol,
            block.requested_steps,
            block.rule,
            block.participants,
        )
    except RejectedError as error:
        return [BlockRejected(block_id=block.block_id, code=error.code, raw=error.message)], {}
    return [allocated], allocation_summary(allocated)


def cancel_block(state: BookState, command: CancelBlock) -> Decided:
    """Withdraw a pending block; ask the server about one whose order it has."""
    block = state.block(command.block_id)
    if block.status == "pending":
        ended = BlockCancelled(block_id=block.block_id, code="cancelled_by_user")
        return [ended], {"block_id": str(block.block_id), "status": "cancelled"}
    if block.status != "sent":
        raise RejectedError("block_not_pending", "This block is open: close it instead.")
    cancel_id = uuid5(command.command_id, "cancel")
    event = CancelRequested(block_id=block.block_id, cancel_id=cancel_id)
    return [event], {"block_id": str(block.block_id), "status": "cancelling"}


def allocate_block(
    state: BookState,
    inputs: Inputs,
    market: Market,
    block_id: UUID,
    symbol: SymbolInfo,
    volume_steps: int,
    rule: Rule,
    participants: Vec,
) -> tuple[BlockAllocated, AllocationResult]:
    """Divide `volume_steps` among `participants` (account ids) and say why.

    Raises RejectedError `no_participants`, `insufficient_margin`, `nothing_allocated`.
    """
    quote = market.fresh(symbol.name)
    places = state.places(participants)
    places = places[state.members.status[places] != DETACHED]
    if not places.size:
        raise RejectedError("no_participants", "No participant is linked to this book any more.")
    equity = state.members.balance_minor + floating(state, market, strict=True)
    caps = margin_caps(state, market, symbol, equity, inputs.margin_level_min_pct)
    weights, rates, unpriced = _common_currency(state, market, equity)
    exclusion = np.where(state.members.status == ACTIVE, 0, int(Reason.CLOSE_ONLY))
    exclusion[unpriced] = int(Reason.NO_RATE)
    carry = state.carries.get(symbol.name)
    by_margin = caps < symbol.max_steps
    result = allocate(
        AllocationRequest(
            rule=rule,
            volume_steps=volume_steps,
            account_ids=state.members.account_ids[places],
            equity=weights[places],
            exclusion=exclusion[places].astype(np.int8),
            min_steps=symbol.min_steps,
            cap_steps=np.minimum(caps, symbol.max_steps)[places],
            cap_reason=np.where(by_margin, Reason.CAP_MARGIN, Reason.CAP_ORDER)[places].astype(
                np.int8
            ),
            carry=carry.as_carry().take(places) if carry is not None else None,
        )
    )
    _check_allocated(result)
    after = result.carry if rule.uses_carry and result.conserving else None
    return (
        BlockAllocated(
            block_id=block_id,
            bid_points=quote.bid,
            ask_points=quote.ask,
            quote_at_ms=quote.at_ms,
            account_ids=result.account_ids,
            equity_minor=equity[places],
            weights=weights[places],
            rates=rates,
            cap_steps=np.minimum(caps, symbol.max_steps)[places],
            steps=result.steps,
            reasons=result.reasons.astype(np.int64),
            quotas_e8=vec() if rule.method is Method.EQUITY else _quotas_e8(result),
            carry=after.numerators if after is not None else vec(),
            carry_denominator=after.denominator if after is not None else 1,
            order_steps=result.block_steps,
            residual_steps=result.residual_steps,
            first_ticket_id=state.next_ticket_id,
            decided_at_ms=inputs.now_ms,
        ),
        result,
    )


def _check_allocated(result: AllocationResult) -> None:
    """Volume that belongs to nobody is never sent, and neither is nothing."""
    if result.block_steps > 0:
        return
    reasons, counts = np.unique(result.reasons, return_counts=True)
    named = {Reason(int(r)).name.lower(): int(c) for r, c in zip(reasons, counts, strict=True)}
    by_margin = any(Reason(int(r)) in (Reason.CAP_MARGIN, Reason.CAP_BELOW_MIN) for r in reasons)
    raise RejectedError(
        "insufficient_margin" if by_margin else "nothing_allocated",
        "No account would receive a share of this block: "
        + ", ".join(f"{name} × {count}" for name, count in named.items()),
        **named,
    )


def _quotas_e8(result: AllocationResult) -> Vec:
    """Exact requests in 10^-8 steps, rounded down, where equity alone does not tell them."""
    return vec([int(result.requested(i) * _E8) for i in range(result.account_ids.size)])


def _common_currency(
    state: BookState, market: Market, equity: Vec
) -> tuple[Vec, dict[str, Decimal], Vec]:
    """Equity in the book's currency, the rates used, and the places nothing prices."""
    weights = np.zeros(equity.size, dtype=np.int64)
    rates: dict[str, Decimal] = {}
    unpriced: list[Vec] = []
    for group in state.groups:
        found = rates.get(group.currency) or rate(state, market, group.currency, state.currency)
        if found is None:
            unpriced.append(group.places)
            continue
        rates[group.currency] = found
        weights[group.places] = (
            equity[group.places]
            if group.currency == state.currency
            else convert_minor(
                equity[group.places],
                found,
                state.digits_of[group.currency],
                state.currency_digits,
            )
        )
    return weights, rates, np.concatenate(unpriced) if unpriced else vec()
