"""`apply`: what an event does to the state. Bookkeeping only: no decision, no arithmetic of money
beyond adding what the event says. Works in place; the caller owns the state."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from apps.core.book import events as ev
from apps.core.book.codec import Vec, vec
from apps.core.book.state import (
    DETACHED,
    DETACHING,
    STATUS_OF,
    BalanceIntent,
    Block,
    BookingIntent,
    BookState,
    CancelIntent,
    CarryState,
    Close,
    Fills,
    SubmitIntent,
    new_book,
    next_status,
)
from apps.core.errors import StateError


def apply(state: BookState | None, events: Iterable[ev.Event]) -> BookState:
    """The state after `events`. Raises StateError for an event it cannot follow."""
    for event in events:
        if isinstance(event, ev.BookOpened):
            if state is not None:
                raise StateError("book_open", "A book is opened once.")
            state = new_book(
                event.book_id,
                event.book_no,
                event.master_login,
                event.currency,
                event.currency_digits,
            )
            continue
        if state is None:
            raise StateError("book_not_open", "The first event of a book opens it.")
        _HANDLERS[type(event)](state, event)
    if state is None:
        raise StateError("book_not_open", "There is no event to begin with.")
    return state


def _symbol_defined(state: BookState, event: ev.SymbolDefined) -> None:
    state.define_symbol(event.symbol)


def _linked(state: BookState, event: ev.MemberLinked) -> None:
    state.add_member(event.account)


def _rule_set(state: BookState, event: ev.RuleSet) -> None:
    state.rule, state.defaults = event.rule, event.defaults
    state.__dict__.pop("_terms", None)


def _terms_set(state: BookState, event: ev.LinkTermsSet) -> None:
    state.set_terms(event.account_id, event.terms)


def _status_set(state: BookState, event: ev.LinkStatusSet) -> None:
    state.members.status[state.index[event.account_id]] = STATUS_OF[event.status]


def _detaching(state: BookState, event: ev.MemberDetaching) -> None:
    state.members.status[state.index[event.account_id]] = DETACHING


def _detached(state: BookState, event: ev.MemberDetached) -> None:
    at = state.index[event.account_id]
    state.members.status[at] = DETACHED
    state.clear_carry(at)


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
    )


def _amended(state: BookState, event: ev.BlockAmended) -> None:
    block = state.blocks[event.block_id]
    block.price_points, block.requested_steps = event.price_points, event.requested_steps
    block.sl_points, block.tp_points = event.sl_points, event.tp_points


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
        kind="limit" if block.kind == "limit" else "market",
        price_points=block.price_points if block.kind == "limit" else None,
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
    _expose(state, block, block.members, event.steps, event.price_points)
    del state.intents[event.block_id]
    _intend_booking(state, block, event, block.members, block.ticket_ids)


def _close_requested(state: BookState, event: ev.CloseRequested) -> None:
    block = state.blocks[event.block_id]
    ordinals = event.ticket_ids - block.first_ticket_id
    block.closing_steps[ordinals] += event.steps
    block.given_steps[ordinals] += event.steps
    if event.detaches:
        _rebase(block)
    state.closes[event.close_id] = Close(
        close_id=event.close_id,
        block_id=event.block_id,
        ordinals=ordinals,
        steps=event.steps,
        order_steps=event.order_steps,
        detaches=event.detaches,
    )
    state.intents[event.close_id] = SubmitIntent(
        order_id=event.close_id,
        symbol=block.symbol,
        side="sell" if block.side == "buy" else "buy",
        steps=event.order_steps,
        kind="market",
        price_points=None,
        closing=True,
        decided_at_ms=event.decided_at_ms,
    )


def _rebase(block: Block) -> None:
    """Partial closes are shared by what is open and not being closed from here on."""
    block.base_steps = block.open_steps - block.closing_steps
    block.given_steps = np.zeros_like(block.base_steps)


def _close_ended(state: BookState, event: ev.CloseEnded) -> None:
    close = state.closes.pop(event.close_id)
    block = state.blocks[event.block_id]
    block.closing_steps[close.ordinals] -= close.steps
    _rebase(block)
    del state.intents[event.close_id]


def _close_filled(state: BookState, event: ev.CloseFilled) -> None:
    close = state.closes.pop(event.close_id)
    block = state.blocks[event.block_id]
    block.closing_steps[close.ordinals] -= close.steps
    block.open_steps[close.ordinals] -= event.steps
    if event.filled_steps != close.order_steps:
        _rebase(block)
    places = block.members[close.ordinals]
    _expose(state, block, places, -event.steps, block.open_points)
    np.add.at(state.members.balance_minor, places, event.pnl_minor)
    del state.intents[event.close_id]
    _intend_booking(state, block, event, places, event.ticket_ids)


def _expose(state: BookState, block: Block, places: Vec, steps: Vec, points: int) -> None:
    exposure = state.exposure(block.symbol)
    side = "long" if block.side == "buy" else "short"
    np.add.at(getattr(exposure, f"{side}_steps"), places, steps)
    np.add.at(getattr(exposure, f"{side}_cost"), places, steps * points)


def _intend_booking(
    state: BookState,
    block: Block,
    event: ev.BlockFilled | ev.CloseFilled,
    places: Vec,
    ticket_ids: Vec,
) -> None:
    some = np.flatnonzero(event.steps)
    closing = isinstance(event, ev.CloseFilled)
    state.intents[event.booking_id] = BookingIntent(
        booking_id=event.booking_id,
        closing=closing,
        symbol=block.symbol,
        deal_ids=event.deal_ids,
        price_points=event.price_points,
        account_ids=event.account_ids[some],
        logins=state.members.logins[places[some]],
        ticket_ids=ticket_ids[some],
        steps=event.steps[some],
        pnl_minor=event.pnl_minor[some] if isinstance(event, ev.CloseFilled) else vec(),
    )


def _block_closed(state: BookState, event: ev.BlockClosed) -> None:
    block = state.blocks.pop(event.block_id)
    block.status = next_status(block.status, "closed")


def _booking_settled(state: BookState, event: ev.BookingSettled) -> None:
    del state.intents[event.booking_id]


def _balance_requested(state: BookState, event: ev.BalanceRequested) -> None:
    at = state.index[event.account_id]
    state.intents[event.operation_id] = BalanceIntent(
        operation_id=event.operation_id,
        account_id=event.account_id,
        login=int(state.members.logins[at]),
        kind=event.kind,
        amount_minor=event.amount_minor,
        currency_digits=state.digits_of[state.currencies[int(state.members.currency[at])]],
        comment=event.comment,
    )


def _balance_settled(state: BookState, event: ev.BalanceSettled) -> None:
    del state.intents[event.operation_id]
    if event.done:
        state.members.balance_minor[state.index[event.account_id]] += event.amount_minor


def _refused(state: BookState, event: ev.CommandRefused) -> None:
    """Changes nothing."""


_HANDLERS: dict[type[ev.Event], Callable[[BookState, Any], None]] = {
    ev.SymbolDefined: _symbol_defined,
    ev.MemberLinked: _linked,
    ev.RuleSet: _rule_set,
    ev.LinkTermsSet: _terms_set,
    ev.LinkStatusSet: _status_set,
    ev.BlockAmended: _amended,
    ev.MemberDetaching: _detaching,
    ev.MemberDetached: _detached,
    ev.BlockPlaced: _placed,
    ev.BlockAllocated: _allocated,
    ev.CancelRequested: _cancel_requested,
    ev.CancelSettled: _cancel_settled,
    ev.BlockCancelled: _block_off,
    ev.BlockRejected: _block_off,
    ev.OrderPartlyFilled: _partly,
    ev.BlockFilled: _block_filled,
    ev.CloseRequested: _close_requested,
    ev.CloseEnded: _close_ended,
    ev.CloseFilled: _close_filled,
    ev.BlockClosed: _block_closed,
    ev.BookingSettled: _booking_settled,
    ev.BalanceRequested: _balance_requested,
    ev.BalanceSettled: _balance_settled,
    ev.CommandRefused: _refused,
}
