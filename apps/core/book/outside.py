"""Trades that appear on the master from outside: an EA, or the manager's own terminal. Pure.

The volume is executed already, so it is divided, not decided: the book's rule when it divides a
given volume, else by equity; what one account cannot take goes to the others. What nobody can take
stays on the master, as the block's residual or as a rejected block. A trade against open blocks of
its symbol closes them, oldest first, and opens what is left.

In a book where some accounts are booked and some are legs, it is divided over the booked ones
alone: their volume is on the master. Where all are legs, they follow it with orders of their own.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid5

import numpy as np

from apps.core.allocation import BelowMin, CapPolicy, Method, Rule, apportion
from apps.core.book.closing import close_request
from apps.core.book.commands import BustReported, FillReported, Inputs, OutsideFill, QuoteIn
from apps.core.book.events import BlockPlaced, BlockRejected, Event
from apps.core.book.filling import block_filled, close_filled, fill
from apps.core.book.market import Market
from apps.core.book.mirror.routing import is_leg
from apps.core.book.placing import Decided
from apps.core.book.sharing import Ask, allocate_block
from apps.core.book.state import (
    OUT,
    Block,
    BookState,
    Close,
    Fills,
)
from apps.core.errors import ConflictError, InputError, RejectedError

_DIVIDES = (
    Method.BALANCE,
    Method.EQUITY,
    Method.EQUAL,
    Method.LOT_WEIGHTS,
    Method.EQUITY_PERCENT_SHARE,
)


def reported_fill(
    state: BookState, report: FillReported, inputs: Inputs, market: Market
) -> Decided:
    """A fill of an order of this book: of one that it waits for, or one that comes too late.

    A late one is executed all the same: it is taken up as a trade from outside. One of an opening
    order opens a block of its own; one of a closing order closes what is open, oldest first.
    """
    try:
        return fill(state, report, market)
    except ConflictError:
        if not report.symbol or report.side is None or report.position_id is not None:
            raise  # one of an account's own order is no trade of the master's
    block = state.blocks.get(report.order_id)
    closes = state.ended_orders.get(report.order_id, block is None)
    trade = OutsideFill(
        command_id=report.command_id,
        deal_id=report.deal_id,
        symbol=report.symbol,
        side=report.side,
        steps=report.steps,
        price_points=report.price_points,
        rates=report.rates,
        server_seq=report.server_seq,
        at_ms=report.at_ms,
    )
    return outside_fill(state, trade, inputs, market, closes=closes, origin="late")


def outside_fill(
    state: BookState,
    report: OutsideFill,
    inputs: Inputs,
    market: Market,
    *,
    closes: bool = True,
    origin: str = "outside",
) -> Decided:
    """Close what it is against (unless it is known to open), open what is left: one record."""
    state.symbol(report.symbol)
    here = QuoteIn(report.price_points, report.price_points, inputs.now_ms)
    market = market.with_quote(report.symbol, here)
    events: list[Event] = []
    left = report.steps
    for block in state.blocks.values() if closes else ():
        if not left:
            break
        if block.parent_id in state.blocks:
            continue  # closed with its parent
        if block.status == "open" and block.symbol == report.symbol and block.side != report.side:
            closed = close_at_deal(state, block, left, report, market, reason="outside")
            left -= closed[0]
            events += closed[1]
    if left:
        events += _open(state, left, report, inputs, market, origin)
    return events, {"steps": report.steps, "closed_steps": report.steps - left}


def close_at_deal(
    state: BookState,
    block: Block,
    most: int,
    report: OutsideFill | BustReported,
    market: Market,
    *,
    reason: str,
) -> tuple[int, list[Event]]:
    """(steps, events): up to `most` of what nobody closes yet, pro rata, at the deal's price."""
    mine = np.ones(block.members.size, dtype=bool)
    follows = block.legs is not None and bool(block.legs.is_leg.all())
    if block.legs is not None and not follows:
        mine = ~block.legs.is_leg
    total = min(most, int((block.open_steps - block.closing_steps)[mine].sum()))
    if not total:
        return 0, []
    accounts = state.members.account_ids[block.members]
    base, given = np.where(mine, block.base_steps, 0), np.where(mine, block.given_steps, 0)
    steps = apportion(base, given, int(given.sum()) + total, accounts)
    close_id = uuid5(report.command_id, str(block.block_id))
    request = close_request(
        state, block, close_id, steps, market.now_ms, detaches=False, reason=reason
    )
    if follows:
        return total, [request]
    ordinals = np.flatnonzero(steps)
    close = Close(
        close_id=close_id,
        block_id=block.block_id,
        ordinals=ordinals,
        steps=steps[ordinals],
        order_steps=total,
        detaches=False,
    )
    fills = Fills([report.deal_id], total, total * report.price_points)
    filled = close_filled(
        state, close, fills, report.price_points, 0, report.rates, report.at_ms, market
    )
    return total, [request, *filled]


def _open(
    state: BookState,
    steps: int,
    report: OutsideFill,
    inputs: Inputs,
    market: Market,
    origin: str,
) -> list[Event]:
    symbol = state.symbol(report.symbol)
    status = state.members.status
    places = np.flatnonzero(~np.isin(status, OUT))
    legs = is_leg(state, state.members.account_ids[places])
    follows = bool(legs.all())
    if not follows:
        places = places[~legs]
    placed = BlockPlaced(
        block_id=uuid5(report.command_id, "block"),
        symbol=report.symbol,
        side=report.side,
        kind="market",
        price_points=None,
        requested_steps=steps,
        rule=dividing_rule(state.rule or Rule()),
        participants=state.members.account_ids[places],
        placed_at_ms=inputs.now_ms,
        digits=symbol.digits,
        volume_step=symbol.volume_step,
        origin=origin,
    )
    try:
        allocated, _ = allocate_block(state, inputs, market, Ask.of(placed))
    except (RejectedError, InputError) as error:
        return [placed, BlockRejected(block_id=placed.block_id, code=error.code, raw=error.message)]
    if follows and places.size:
        return [placed, allocated]
    served = np.flatnonzero(allocated.steps)
    block = Block(
        block_id=placed.block_id,
        symbol=placed.symbol,
        side=placed.side,
        kind="market",
        price_points=None,
        requested_steps=steps,
        rule=placed.rule,
        participants=placed.participants,
        first_ticket_id=allocated.first_ticket_id,
        members=state.places(allocated.account_ids)[served],
        target_steps=allocated.steps[served],
    )
    total = allocated.order_steps
    fills = Fills([report.deal_id], total, total * report.price_points)
    filled = block_filled(state, block, fills, report.price_points, 0, report.at_ms)
    return [placed, allocated, *filled]


def dividing_rule(rule: Rule) -> Rule:
    """The book's rule where it divides a given volume, else equity; nothing is left over if any
    account can take it."""
    method = rule.method if rule.method in _DIVIDES else Method.EQUITY
    return replace(
        rule,
        method=method,
        custom="",
        cap_policy=CapPolicy.CLIP_REDISTRIBUTE,
        below_min=BelowMin.SKIP_REDISTRIBUTE,
    )
