"""Deciding what the trading server reports: fills, ended orders, bookings. Pure.

Only a fill moves a book. Shares are given when the order is complete, so that every ticket of a
block opens (or closes) at one price: the volume-weighted one, rounded once.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID, uuid5

import numpy as np

from apps.core.allocation import apportion
from apps.core.book.closing import close_of_member
from apps.core.book.codec import Vec
from apps.core.book.commands import BookingReported, CancelReported, FillReported, OrderEnded
from apps.core.book.companions import as_opened, follow_at_fill
from apps.core.book.events import (
    BlockCancelled,
    BlockClosed,
    BlockFilled,
    BlockRejected,
    BookingSettled,
    CancelSettled,
    CloseEnded,
    CloseFilled,
    CloseRequested,
    Event,
    LegsSent,
    OrderPartlyFilled,
)
from apps.core.book.leaving import detached
from apps.core.book.market import Market, rate
from apps.core.book.marking import terms
from apps.core.book.placing import Decided
from apps.core.book.state import DETACHING, GOING, Block, BookState, Close, Fills
from apps.core.book.trailing import first_stop
from apps.core.errors import ConflictError, RejectedError
from apps.core.ints import half_up_div
from apps.core.pnl import pnl_minor


def fill(state: BookState, report: FillReported, market: Market) -> Decided:
    """One execution of a master order that this book sent."""
    order = waiting_order(state, report.order_id)
    if report.leaves_steps > 0:
        partly = OrderPartlyFilled(
            order_id=report.order_id,
            deal_id=report.deal_id,
            steps=report.steps,
            price_points=report.price_points,
        )
        return [partly], {}
    fills = Fills(
        [*order.fills.deal_ids, report.deal_id],
        order.fills.steps + report.steps,
        order.fills.point_steps + report.steps * report.price_points,
    )
    return _complete(state, order, fills, report.rates, report.at_ms, market), {}


def order_ended(state: BookState, report: OrderEnded, now_ms: int, market: Market) -> Decided:
    """No more fills. What was filled counts; without any, the block or the close is off."""
    order = waiting_order(state, report.order_id)
    if order.fills.steps > 0:
        return _complete(state, order, order.fills, {}, now_ms, market), {}
    if isinstance(order, Close):
        ended: Event = CloseEnded(
            close_id=order.close_id, block_id=order.block_id, code=report.code, raw=report.raw
        )
        return [ended], {}
    kind = BlockRejected if report.how == "rejected" else BlockCancelled
    events: list[Event] = [kind(block_id=order.block_id, code=report.code, raw=report.raw)]
    return events + flat_members(state, order.members, {order.block_id}), {}


def waiting_order(state: BookState, order_id: UUID) -> Block | Close:
    """The block or close that waits for this order. Raises ConflictError `order_not_waiting`."""
    close = state.closes.get(order_id)
    if close is not None:
        return close
    block = state.blocks.get(order_id)
    if block is None or block.status != "sent":
        raise ConflictError(
            "order_not_waiting",
            f"The server reports on order {order_id}, which this book is not waiting for.",
            order_id=str(order_id),
        )
    return block


def _complete(
    state: BookState,
    order: Block | Close,
    fills: Fills,
    rates: dict[str, Decimal],
    at_ms: int,
    market: Market,
) -> list[Event]:
    price = half_up_div(fills.point_steps, fills.steps)
    house = fills.point_steps - price * fills.steps
    if isinstance(order, Close):
        return close_filled(state, order, fills, price, house, rates, at_ms, market)
    return block_filled(state, order, fills, price, house, at_ms)


def block_filled(
    state: BookState, block: Block, fills: Fills, price: int, house: int, at_ms: int
) -> list[Event]:
    accounts = state.members.account_ids[block.members]
    targets = block.booked_targets
    steps = apportion(targets, np.zeros_like(targets), fills.steps, accounts)
    events: list[Event] = [
        BlockFilled(
            block_id=block.block_id,
            deal_ids=fills.deal_ids,
            price_points=price,
            filled_steps=fills.steps,
            house_points_steps=house,
            first_ticket_id=block.first_ticket_id,
            account_ids=accounts,
            steps=steps,
            booking_id=uuid5(block.block_id, f"book:{fills.deal_ids[-1]}"),
            at_ms=at_ms,
        )
    ]
    if block.legs is not None and block.legs.pending:
        events.append(
            LegsSent(block_id=block.block_id, reference_points=price, decided_at_ms=at_ms)
        )
    events += first_stop(block, price)
    late = _close_for_leavers(state, block, steps, at_ms)
    late = late or follow_at_fill(state, block, steps, at_ms)
    return events + ([late] if late is not None else [])


def _close_for_leavers(
    state: BookState, block: Block, steps: Vec, at_ms: int
) -> CloseRequested | None:
    """A member that began to leave while the order was on its way is closed at once."""
    leaving = np.flatnonzero(state.members.status == DETACHING)
    if not leaving.size or not np.isin(block.members[steps > 0], leaving).any():
        return None
    opened = as_opened(block, steps)
    return close_of_member(state, opened, leaving, uuid5(block.block_id, "leavers"), at_ms)


def close_filled(
    state: BookState,
    close: Close,
    fills: Fills,
    price: int,
    house: int,
    rates: dict[str, Decimal],
    at_ms: int,
    market: Market,
    *,
    booking_id: UUID | None = None,
) -> list[Event]:
    block = state.block(close.block_id)
    places = block.members[close.ordinals]
    accounts = state.members.account_ids[places]
    steps = apportion(close.steps, np.zeros_like(close.steps), fills.steps, accounts)
    pnl, used = realise(state, block, places, steps, price, rates, market)
    events: list[Event] = [
        CloseFilled(
            close_id=close.close_id,
            block_id=block.block_id,
            deal_ids=fills.deal_ids,
            price_points=price,
            filled_steps=fills.steps,
            house_points_steps=house,
            ticket_ids=block.ticket_ids[close.ordinals],
            account_ids=accounts,
            steps=steps,
            pnl_minor=pnl,
            rates=used,
            booking_id=booking_id or uuid5(close.close_id, f"book:{fills.deal_ids[-1]}"),
            at_ms=at_ms,
        )
    ]
    if int(block.open_steps.sum()) == int(steps.sum()) and not block.awaits_legs:
        events.append(BlockClosed(block_id=block.block_id, at_ms=at_ms))
        return events + flat_members(state, places, {block.block_id})
    left = block.open_steps.copy()
    left[close.ordinals] -= steps
    flat_here = places[left[close.ordinals] == 0]
    return events + flat_members(state, flat_here, {block.block_id})


def realise(
    state: BookState,
    block: Block,
    places: Vec,
    steps: Vec,
    price: int,
    rates: dict[str, Decimal],
    market: Market,
) -> tuple[Vec, dict[str, Decimal]]:
    """P&L int64 per ticket in its account's currency, and the rate of each currency.

    Rates are those that the fill carried, else this book's own. Raises RejectedError
    `rate_missing`.
    """
    symbol = state.symbol(block.symbol)
    currencies = state.members.currency[places]
    pnl = np.zeros(places.size, dtype=np.int64)
    used: dict[str, Decimal] = {}
    for number in np.unique(currencies):
        currency = state.currencies[int(number)]
        found = rates.get(currency) or rate(state, market, symbol.quote_currency, currency)
        if found is None:
            raise RejectedError(
                "rate_missing", f"Nothing converts {symbol.quote_currency} to {currency}."
            )
        used[currency] = found
        mine = currencies == number
        pnl[mine] = pnl_minor(
            steps[mine],
            block.open_points,
            price,
            block.sign,
            terms(symbol),
            found,
            state.digits_of[currency],
        )
    return pnl, used


def flat_members(state: BookState, places: Vec, but: set[UUID]) -> list[Event]:
    """Detach members that were leaving and have nothing left outside the blocks `but`."""
    leaving = [int(at) for at in np.unique(places) if int(state.members.status[at]) in GOING]
    events: list[Event] = []
    for at in leaving:
        others = (block for key, block in state.blocks.items() if key not in but)
        if not any(_holds(block, at) for block in others):
            events.append(detached(state, at))
    return events


def _holds(block: Block, at: int) -> bool:
    mine = block.members == at
    if block.legs is not None and block.legs.awaited(mine):
        return True
    steps = block.booked_targets if block.status == "sent" else block.open_steps
    return bool(np.any(steps[mine] > 0))


def cancel_reported(state: BookState, report: CancelReported) -> Decided:
    if report.cancel_id not in state.intents:
        raise ConflictError("not_pending", "This request to cancel is settled already.")
    event = CancelSettled(cancel_id=report.cancel_id, done=report.done, code=report.code)
    return [event], {}


def booking_reported(state: BookState, report: BookingReported) -> Decided:
    if report.booking_id not in state.intents:
        raise ConflictError("not_pending", "This booking is settled already.")
    event = BookingSettled(
        booking_id=report.booking_id,
        done=report.done,
        code=report.code,
        raw=report.raw,
        differences=report.differences,
    )
    return [event], {}
