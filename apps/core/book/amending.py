"""Deciding changes of what stands: amendments, everything at once, the book's rule. Pure."""

from __future__ import annotations

from uuid import UUID, uuid5

from apps.core.book.closing import close_request
from apps.core.book.commands import (
    AmendBlock,
    CancelAll,
    CloseAll,
    SetLinkStatus,
    SetLinkTerms,
    SetRule,
    StopBlock,
)
from apps.core.book.events import (
    BlockAmended,
    CloseRequested,
    Event,
    LinkStatusSet,
    LinkTermsSet,
    RuleSet,
)
from apps.core.book.market import Market
from apps.core.book.placing import (
    Decided,
    can_be_withdrawn,
    is_being_cancelled,
    order_steps,
    waiting_price,
    withdraw,
)
from apps.core.book.state import DETACHING, Block, BookState
from apps.core.book.stops import changed, check_stops, stop_reached
from apps.core.book.terms import check_terms
from apps.core.errors import ConflictError, InputError, RejectedError


def amend_block(state: BookState, command: AmendBlock, market: Market) -> Decided:
    """New price, volume, SL or TP; what is not named stays."""
    block = state.block(command.block_id)
    symbol = state.symbol(block.symbol)
    quote = market.fresh(symbol.name)
    asked = (command.price, command.volume_lots, command.stop_loss, command.take_profit)
    if all(value is None for value in asked):
        raise InputError("nothing_to_amend", "Name what is to change.")
    if block.status != "pending" and not asked[0] is asked[1] is None:
        raise RejectedError(
            "block_not_pending", f"Price and volume of a {block.status} block are settled."
        )
    points, steps = block.price_points, block.requested_steps
    if command.price is not None:
        points = waiting_price(block.side, block.kind, command.price, symbol, market)
    if command.volume_lots is not None:
        steps = order_steps(command.volume_lots, symbol)
    sl = changed(command.stop_loss, block.sl_points, symbol)
    tp = changed(command.take_profit, block.tp_points, symbol)
    waits = block.status == "pending" and points is not None
    check_stops(
        block.side,
        sl,
        tp,
        points if waits and points is not None else quote.bid,
        points if waits and points is not None else quote.ask,
    )
    event = BlockAmended(
        block_id=block.block_id,
        price_points=points,
        requested_steps=steps,
        sl_points=sl,
        tp_points=tp,
    )
    return [event], {"block_id": str(block.block_id), "status": block.status}


def stop_block(state: BookState, stimulus: StopBlock, market: Market) -> Decided:
    """Close all of a block whose stop loss or take profit is reached, at one price."""
    block = state.block(stimulus.block_id)
    why = stop_reached(block, market.fresh(block.symbol))
    if block.status != "open" or not why:
        raise ConflictError("price_not_reached", "No stop of this block is reached.")
    return [_close_whole(state, block, uuid5(stimulus.command_id, why), market, why)], {}


def _close_whole(
    state: BookState, block: Block, close_id: UUID, market: Market, reason: str = ""
) -> CloseRequested:
    """Raises RejectedError `close_exceeds_open` when all of it is being closed already."""
    free = block.open_steps - block.closing_steps
    if not free.any():
        raise RejectedError("close_exceeds_open", "All of this block is being closed already.")
    return close_request(state, block, close_id, free, market.now_ms, detaches=False, reason=reason)


def close_all(state: BookState, command: CloseAll, market: Market) -> Decided:
    """Every open block (of a symbol) at one price each. All or nothing: every symbol needs a
    quote to trade on. Raises RejectedError `nothing_to_close`."""
    events: list[Event] = []
    for block in _of_symbol(state, command.symbol):
        if block.status == "open" and (block.open_steps - block.closing_steps).any():
            market.fresh(block.symbol)
            close_id = uuid5(command.command_id, str(block.block_id))
            events.append(_close_whole(state, block, close_id, market))
    if not events:
        raise RejectedError("nothing_to_close", "Nothing is open here that is not being closed.")
    return events, {"status": "sent", "blocks": len(events)}


def cancel_all(state: BookState, command: CancelAll) -> Decided:
    """Everything that waits (in a symbol). Raises RejectedError `nothing_to_cancel`."""
    events: list[Event] = [
        withdraw(block, uuid5(command.command_id, str(block.block_id)), "cancelled_by_user")
        for block in _of_symbol(state, command.symbol)
        if can_be_withdrawn(state, block) and not is_being_cancelled(state, block)
    ]
    if not events:
        raise RejectedError("nothing_to_cancel", "No order waits here.")
    return events, {"status": "cancelled", "blocks": len(events)}


def _of_symbol(state: BookState, symbol: str | None) -> list[Block]:
    if symbol is not None:
        state.symbol(symbol)
    return [block for block in state.blocks.values() if symbol in (None, block.symbol)]


def set_rule(state: BookState, command: SetRule) -> Decided:
    """The book's rule and default terms."""
    return [RuleSet(rule=command.rule, defaults=check_terms(command.defaults))], {
        "status": "set",
        "method": str(command.rule.method),
    }


def set_link_terms(state: BookState, command: SetLinkTerms) -> Decided:
    """Parameters and caps of one link."""
    state.member(command.account_id)
    terms = check_terms(command.terms)
    return [LinkTermsSet(account_id=command.account_id, terms=terms)], {
        "account_id": command.account_id,
        "status": "set",
    }


def set_link_status(state: BookState, command: SetLinkStatus) -> Decided:
    """Pause, close-only or resume. Raises ConflictError `already_detaching`."""
    at = state.member(command.account_id)
    if state.members.status[at] == DETACHING:
        raise ConflictError("already_detaching", "This account is being detached.")
    event = LinkStatusSet(account_id=command.account_id, status=command.status)
    return [event], {"account_id": command.account_id, "status": command.status}
