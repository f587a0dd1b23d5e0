"""What the servers report of legs, and sending failed ones again. Pure."""

from __future__ import annotations

from uuid import UUID, uuid5

import numpy as np
from msgspec.structs import replace

from apps.core.book.codec import vec
from apps.core.book.commands import FillReported, OrderEnded, RetryLegs
from apps.core.book.companions import follow_at_fill
from apps.core.book.events import (
    BlockClosed,
    BlockRejected,
    CloseRequested,
    Event,
    LegClosed,
    LegFailed,
    LegFilled,
    LegPartlyFilled,
    LegsRetried,
    LegsSettled,
)
from apps.core.book.filling import flat_members
from apps.core.book.market import Market, rate
from apps.core.book.marking import terms
from apps.core.book.mirror.venues import factor, own_points
from apps.core.book.placing import Decided
from apps.core.book.state import ACTIVE, DETACHING, Block, BookState, Leg, LegFills, LegIntent, Legs
from apps.core.book.trailing import first_stop
from apps.core.errors import RejectedError, StateError
from apps.core.ints import half_up_div
from apps.core.pnl import pnl_minor


def leg_fill(state: BookState, intent: LegIntent, report: FillReported, market: Market) -> Decided:
    """One execution of one account's order."""
    before = state.mirror.fills.get(intent.order_id, LegFills())
    profit = None
    if report.profit is not None:
        profit = int(report.profit.scaleb(state.digits_of[_currency(state, intent)]))
    if report.leaves_steps > 0:
        partly = LegPartlyFilled(
            order_id=intent.order_id,
            deal_id=report.deal_id,
            own_steps=report.steps,
            price_points=report.price_points,
            profit_minor=profit,
        )
        return [partly], {}
    fills = before.plus(report.deal_id, report.steps, report.price_points, profit)
    return _complete(state, intent, fills, report, market), {}


def leg_ended(
    state: BookState, intent: LegIntent, report: OrderEnded, now_ms: int, market: Market
) -> Decided:
    """No more fills: what was filled counts, else the leg has failed."""
    fills = state.mirror.fills.get(intent.order_id)
    if fills is not None:
        return _complete(state, intent, fills, None, market), {}
    block = state.blocks[intent.block_id]
    failed = LegFailed(
        order_id=intent.order_id,
        block_id=intent.block_id,
        ordinal=intent.ordinal,
        ticket_id=block.first_ticket_id + intent.ordinal,
        account_id=_account(state, block, intent),
        close_id=intent.close_id,
        code=report.code,
        raw=report.raw,
    )
    if intent.close_id is not None:
        return [failed], {}
    events: list[Event] = [failed, *_settled(state, block, intent, None, now_ms)]
    return events + flat_members(state, _place(block, intent), {intent.block_id}), {}


def _complete(
    state: BookState,
    intent: LegIntent,
    fills: LegFills,
    report: FillReported | None,
    market: Market,
) -> list[Event]:
    price = half_up_div(fills.point_steps, fills.steps)
    steps = intent.steps * fills.steps // intent.own_steps
    if intent.close_id is None:
        return _opened(state, intent, fills, price, max(1, steps), report, market)
    return _closed(state, intent, fills, price, steps, report, market)


def _opened(
    state: BookState,
    intent: LegIntent,
    fills: LegFills,
    price: int,
    steps: int,
    report: FillReported | None,
    market: Market,
) -> list[Event]:
    block = state.blocks[intent.block_id]
    own = state.symbols[intent.symbol]
    ticket_id = block.first_ticket_id + intent.ordinal
    at_ms = report.at_ms if report is not None else market.now_ms
    filled = LegFilled(
        order_id=intent.order_id,
        block_id=block.block_id,
        ordinal=intent.ordinal,
        ticket_id=ticket_id,
        account_id=_account(state, block, intent),
        deal_ids=fills.deal_ids,
        symbol=own.name,
        steps=steps,
        own_steps=fills.steps,
        price_points=price,
        slippage_points=(price - intent.reference_points) * block.sign,
        position_id=_position(report),
        at_ms=at_ms,
        digits=own.digits,
        volume_step=own.volume_step,
    )
    events: list[Event] = [filled]
    if block.status == "sent":  # the first to open: a trailing stop follows from the decision
        events += first_stop(block, _legs(block).reference_points)
    events += _settled(state, block, intent, filled, at_ms)
    leaves = int(state.members.status[block.members[intent.ordinal]]) == DETACHING
    follows = None if leaves else _follow(state, block, intent, filled, at_ms)
    if follows is not None:
        events.append(follows)
    if leaves:
        events.append(
            CloseRequested(
                close_id=uuid5(intent.order_id, "leaver"),
                block_id=block.block_id,
                ticket_ids=vec([ticket_id]),
                account_ids=vec([filled.account_id]),
                steps=vec([steps]),
                order_steps=steps,
                detaches=True,
                decided_at_ms=at_ms,
                own_steps=vec([fills.steps]),
                reference_points=0,
            )
        )
    return events


def _follow(
    state: BookState, block: Block, intent: LegIntent, filled: LegFilled, at_ms: int
) -> CloseRequested | None:
    """What a companion of one account closes as it opens; less than its own step stays open."""
    opened = np.zeros_like(block.open_steps)
    opened[intent.ordinal] = filled.steps
    close = follow_at_fill(state, block, opened, at_ms)
    if close is None:
        return None
    rate = factor(state.symbols[block.symbol], state.symbols[filled.symbol])
    stays = (filled.steps - close.order_steps) * rate.numerator // rate.denominator
    if stays < state.symbols[filled.symbol].min_steps:
        stays, close = 0, replace(close, steps=vec([filled.steps]), order_steps=filled.steps)
    if stays >= filled.own_steps:
        return None
    return replace(close, own_steps=vec([filled.own_steps - stays]))


def _closed(
    state: BookState,
    intent: LegIntent,
    fills: LegFills,
    price: int,
    steps: int,
    report: FillReported | None,
    market: Market,
) -> list[Event]:
    """Raises RejectedError `rate_missing` when neither server nor book converts."""
    block = state.blocks[intent.block_id]
    legs = _legs(block)
    own = state.symbols[intent.symbol]
    currency = _currency(state, intent)
    told = report.rates.get(currency) if report is not None else None
    found = told or rate(state, market, own.quote_currency, currency)
    if found is None:
        raise RejectedError("rate_missing", f"Nothing converts {own.quote_currency} to {currency}.")
    ours = pnl_minor(
        vec([fills.steps]),
        int(legs.open_points[intent.ordinal]),
        price,
        block.sign,
        terms(own),
        found,
        state.digits_of[currency],
    )
    posted = int(ours[0]) if fills.profit_minor is None else fills.profit_minor
    slipped = (intent.reference_points - price) * block.sign if intent.reference_points else 0
    at_ms = report.at_ms if report is not None else market.now_ms
    assert intent.close_id is not None
    closed = LegClosed(
        order_id=intent.order_id,
        close_id=intent.close_id,
        block_id=block.block_id,
        ordinal=intent.ordinal,
        ticket_id=block.first_ticket_id + intent.ordinal,
        account_id=_account(state, block, intent),
        deal_ids=fills.deal_ids,
        symbol=own.name,
        steps=steps,
        own_steps=fills.steps,
        price_points=price,
        slippage_points=slipped,
        pnl_minor=posted,
        difference_minor=posted - int(ours[0]),
        rates={currency: found},
        at_ms=at_ms,
        digits=own.digits,
    )
    events: list[Event] = [closed]
    if int(block.open_steps.sum()) == steps and not legs.pending:
        events.append(BlockClosed(block_id=block.block_id, at_ms=at_ms))
        return events + flat_members(state, block.members, {block.block_id})
    if int(block.open_steps[intent.ordinal]) == steps:
        events += flat_members(state, _place(block, intent), {block.block_id})
    return events


def _settled(
    state: BookState, block: Block, intent: LegIntent, filled: LegFilled | None, at_ms: int
) -> list[Event]:
    """When this was the last opening leg on its way: how it ended, and the block with it."""
    legs = _legs(block)
    if legs.pending != 1:
        return []
    opened = legs.status == Leg.FILLED
    failed = legs.status == Leg.FAILED
    opened[intent.ordinal] = filled is not None
    failed[intent.ordinal] = filled is None
    settled = LegsSettled(
        block_id=block.block_id,
        filled=int(np.count_nonzero(opened)),
        failed=int(np.count_nonzero(failed)),
        failed_tickets=block.first_ticket_id + np.flatnonzero(failed),
        price_points=_average(state, block, filled),
    )
    if filled is None and block.status == "sent":
        return [settled, BlockRejected(block_id=block.block_id, code="legs_failed")]
    if filled is None and not block.open_steps.any():
        return [settled, BlockClosed(block_id=block.block_id, at_ms=at_ms)]
    return [settled]


def _average(state: BookState, block: Block, filled: LegFilled | None) -> int:
    """Volume-weighted open price of all open tickets, in the master's digits; 0 of none."""
    legs, home = _legs(block), state.symbols[block.symbol]
    booked = int(block.open_steps[~legs.is_leg].sum())
    total, volume = booked * block.open_points, booked
    for at in np.flatnonzero(legs.status == Leg.FILLED).tolist():
        steps = int(block.open_steps[at])
        points = own_points(int(legs.open_points[at]), state.symbols[legs.symbol(at)], home)
        total, volume = total + steps * points, volume + steps
    if filled is not None:
        points = own_points(filled.price_points, state.symbols[filled.symbol], home)
        total, volume = total + filled.steps * points, volume + filled.steps
    return half_up_div(total, volume) if volume else 0


def retry_legs(state: BookState, command: RetryLegs, now_ms: int) -> Decided:
    """Send refused legs of an open block again. Raises RejectedError `block_not_open`,
    `leg_not_settled`, `nothing_to_retry`."""
    block = state.block(command.block_id)
    if block.status != "open" or block.legs is None:
        raise RejectedError("block_not_open", "Only legs of an open block can be sent again.")
    legs = block.legs
    accounts = state.members.account_ids[block.members]
    chosen = np.ones(accounts.size, dtype=bool)
    if command.account_ids is not None:
        for account_id in command.account_ids:
            state.member(account_id)
        chosen = np.isin(accounts, vec(sorted(command.account_ids)))
        if legs.awaited(chosen):
            raise RejectedError(
                "leg_not_settled",
                "An order of these accounts has no outcome yet: it is settled by asking its"
                " server, never by sending it again.",
            )
    active = state.members.status[block.members] == ACTIVE
    ordinals = np.flatnonzero((legs.status == Leg.FAILED) & (legs.own_steps > 0) & chosen & active)
    if not ordinals.size:
        raise RejectedError("nothing_to_retry", "No failed leg of an active account is here.")
    event = LegsRetried(
        block_id=block.block_id,
        ordinals=ordinals,
        account_ids=accounts[ordinals],
        attempts=legs.attempts[ordinals] + 1,
        decided_at_ms=now_ms,
    )
    return [event], {
        "block_id": str(block.block_id),
        "status": "sent",
        "account_ids": accounts[ordinals].tolist(),
    }


def _legs(block: Block) -> Legs:
    if block.legs is None:
        raise StateError("no_legs", "This block has no legs.", block_id=str(block.block_id))
    return block.legs


def _account(state: BookState, block: Block, intent: LegIntent) -> int:
    return int(state.members.account_ids[block.members[intent.ordinal]])


def _place(block: Block, intent: LegIntent) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return block.members[intent.ordinal : intent.ordinal + 1]


def _currency(state: BookState, intent: LegIntent) -> str:
    at = state.blocks[intent.block_id].members[intent.ordinal]
    return state.currencies[int(state.members.currency[at])]


def _position(report: FillReported | None) -> int:
    return report.position_id or 0 if report is not None else 0


def leg_of(state: BookState, order_id: UUID) -> LegIntent | None:
    """The leg that waits for this order, if one does."""
    intent = state.intents.get(order_id)
    return intent if isinstance(intent, LegIntent) else None
