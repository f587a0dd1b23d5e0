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
    SymbolInfo,
    TrailStop,
)
from apps.core.book.events import (
    BlockAmended,
    CloseRequested,
    Event,
    LinkStatusSet,
    LinkTermsSet,
    RuleSet,
    StopTrailed,
)
from apps.core.book.market import Market, price_to_points
from apps.core.book.placing import (
    Decided,
    can_be_withdrawn,
    is_being_cancelled,
    order_steps,
    waiting_price,
    withdraw,
)
from apps.core.book.risk.bounds import check_not_stopped, check_own_restriction
from apps.core.book.state import DETACHING, Block, BookState
from apps.core.book.stops import changed, check_stops, stop_reached
from apps.core.book.terms import check_terms
from apps.core.book.trailing import amended_terms, trailed
from apps.core.errors import ConflictError, InputError, RejectedError
from apps.core.orders import trailed_stop


def amend_block(state: BookState, command: AmendBlock, market: Market) -> Decided:
    """New price, volume, SL or TP; what is not named stays."""
    block = state.block(command.block_id)
    symbol = state.symbol(block.symbol)
    quote = market.fresh(symbol.name)
    points, limit, steps = _amended_order(block, command, symbol, market)
    sl = changed(command.stop_loss, block.sl_points, symbol)
    tp = changed(command.take_profit, block.tp_points, symbol)
    entry = (points if limit is None else limit) if block.status == "pending" else None
    low, high = (quote.bid, quote.ask) if entry is None else (entry, entry)
    check_stops(block.side, sl, tp, low, high)
    trailing, step = amended_terms(
        block, command.trailing_distance, command.trailing_step, symbol, quote
    )
    if trailing is not None and block.status == "open":
        sl = trailed_stop(block.sign, sl, trailing, quote.bid, quote.ask)
    event = BlockAmended(
        block_id=block.block_id,
        price_points=points,
        requested_steps=steps,
        sl_points=sl,
        tp_points=tp,
        limit_points=limit,
        trailing_points=trailing,
        trailing_step_points=step,
    )
    return [event], {"block_id": str(block.block_id), "status": block.status}


def _amended_order(
    block: Block, command: AmendBlock, symbol: SymbolInfo, market: Market
) -> tuple[int | None, int | None, int]:
    """(price, limit of a stop-limit, volume) of what waits.

    Raises InputError `nothing_to_amend`, `price_not_allowed`, `limit_price_not_allowed`,
    RejectedError `block_not_pending` and what a new order is refused for.
    """
    order = (command.price, command.limit_price, command.volume_lots)
    stops = (command.stop_loss, command.take_profit)
    trailing = (command.trailing_distance, command.trailing_step)
    if all(value is None for value in (*order, *stops, *trailing)):
        raise InputError("nothing_to_amend", "Name what is to change.")
    if block.status != "pending" and any(value is not None for value in order):
        raise RejectedError(
            "block_not_pending", f"Price and volume of a {block.status} block are settled."
        )
    points, limit, steps = block.price_points, block.limit_points, block.requested_steps
    if command.price is not None:
        if points is None:
            raise InputError("price_not_allowed", "This block waits for no price.")
        points = waiting_price(block.side, block.kind, command.price, symbol, market)
    if command.limit_price is not None:
        if limit is None:
            raise InputError("limit_price_not_allowed", "Only a stop-limit has a limit price.")
        limit = price_to_points(command.limit_price, symbol)
    if command.volume_lots is not None:
        steps = order_steps(command.volume_lots, symbol)
    return points, limit, steps


def stop_block(state: BookState, stimulus: StopBlock, market: Market) -> Decided:
    """Close all of a block whose stop loss or take profit is reached, at one price."""
    block = state.block(stimulus.block_id)
    why = stop_reached(block, market.fresh(block.symbol))
    if block.status != "open" or not why:
        raise ConflictError("price_not_reached", "No stop of this block is reached.")
    return [_close_whole(state, block, uuid5(stimulus.command_id, why), market, why)], {}


def trail_stop(state: BookState, stimulus: TrailStop, market: Market) -> Decided:
    """Move the stop loss. Raises ConflictError `price_not_reached`."""
    block = state.block(stimulus.block_id)
    stop = trailed(block, market.fresh(block.symbol)) if block.status == "open" else None
    if stop is None:
        raise ConflictError("price_not_reached", "No trailing stop is to be moved here.")
    return [StopTrailed(block_id=block.block_id, sl_points=stop)], {"sl_points": stop}


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
    """Pause, close-only or resume. Raises ConflictError `already_detaching`,
    `account_stopped`, `restricted_by_other`."""
    at = state.member(command.account_id)
    if state.members.status[at] == DETACHING:
        raise ConflictError("already_detaching", "This account is being detached.")
    check_not_stopped(state, command.account_id)
    if command.party == "investor":
        check_own_restriction(state, command.account_id)
    event = LinkStatusSet(account_id=command.account_id, status=command.status, party=command.party)
    return [event], {"account_id": command.account_id, "status": command.status}
