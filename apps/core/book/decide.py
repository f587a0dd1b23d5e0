"""`decide`: state + stimulus + inputs → events. Pure, and the only place where anything is decided.

Nothing here changes the state; `apply` does, by the events alone.
"""

from __future__ import annotations

from typing import Any

import msgspec

from apps.core.allocation import AllocationResult
from apps.core.book import (
    amending,
    busting,
    closing,
    companions,
    filling,
    joining,
    leaving,
    membership,
    netting,
    outside,
    placing,
    promise,
    reversing,
    sharing,
)
from apps.core.book.commands import (
    AdjustBalance,
    AdvanceStops,
    AmendBlock,
    AnyStimulus,
    BalanceReported,
    BookingReported,
    BustReported,
    CancelAll,
    CancelBlock,
    CancelReported,
    CloseAll,
    CloseBlock,
    CloseBy,
    DefineSymbols,
    DefineVenue,
    DetachTickets,
    ExpireBlock,
    FillReported,
    FlatReported,
    HardStop,
    Inputs,
    LiftStop,
    LinkAccount,
    LinkAccounts,
    OpenBook,
    OrderEnded,
    OutsideFill,
    OwnTicketClosed,
    PlaceBlock,
    ReachLimits,
    RetryLegs,
    ReverseBlock,
    SeePeaks,
    ServerClosed,
    SetExecution,
    SetLinkStatus,
    SetLinkTerms,
    SetProtection,
    SetRule,
    StartDay,
    StopBlock,
    TrailStop,
    TriggerBlock,
    UnlinkAccount,
)
from apps.core.book.events import (
    BlockAllocated,
    BookOpened,
    CommandRefused,
    Event,
    SymbolDefined,
)
from apps.core.book.market import Market
from apps.core.book.mirror import legs, routing, venues
from apps.core.book.placing import Decided
from apps.core.book.risk import confirming, reporting, setting, stopping, watching
from apps.core.book.state import BookState
from apps.core.errors import (
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    ProrataError,
    RejectedError,
    StateError,
)

RECORDED = (RejectedError, ConflictError, NotFoundError, InputError, ForbiddenError)
"""Refusals of a well-formed command: they get a record, so that a repeat hears the same."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Events, the answer to who asked, and the inputs that were looked at (to be recorded)."""

    events: list[Event]
    result: dict[str, Any]
    inputs: Inputs


def decide(state: BookState | None, stimulus: AnyStimulus, inputs: Inputs) -> Decision:
    """What follows from `stimulus`. A refusal is a decision too: one CommandRefused event.

    Raises StateError when a book is opened twice or used before it is opened.
    """
    market = _market(state, inputs)
    try:
        events, result = _dispatch(state, stimulus, inputs, market)
        decided = len(events)
        events = events + _consequences(state, events, inputs.now_ms)
        if state is not None:
            events = routing.with_legs(state, events, market, decided=decided)
        if state is not None and state.risk.has_limits:
            events = events + setting.following(state, events, market)
    except RECORDED as error:
        events, result = [_refused(error)], {}
    read = msgspec.structs.replace(inputs, quotes=market.read, master=market.master_read)
    return Decision(events=events, result=result, inputs=read)


def _consequences(state: BookState | None, events: list[Event], now_ms: int) -> list[Event]:
    """What follows from any decision, whoever made it: companions, and links that wait."""
    if state is None:
        return []
    more = companions.follow(state, events, now_ms)
    return more + joining.activated(state, events + more, now_ms)


def _market(state: BookState | None, inputs: Inputs) -> Market:
    sessions = state.sessions if state is not None else {}
    return Market(inputs.quotes, inputs.now_ms, inputs.quote_max_age_ms, inputs.master, sessions)


def preview(
    state: BookState, command: PlaceBlock, inputs: Inputs
) -> tuple[BlockAllocated, AllocationResult, str]:
    """The allocation `command` would get now, and the (unsigned) token that promises it.

    Raises what `decide` would record as refused.
    """
    market = _market(state, inputs)
    placed = placing.placed_block(state, command, inputs, market)
    event, result = sharing.allocate_block(state, inputs, market, sharing.Ask.of(placed))
    return event, result, promise.make_token(state, command, market, event)


def _dispatch(  # noqa: C901 - one flat table of stimuli
    state: BookState | None, stimulus: AnyStimulus, inputs: Inputs, market: Market
) -> Decided:
    if isinstance(stimulus, OpenBook):
        return _open(state, stimulus)
    if state is None:
        raise StateError("book_not_open", "The first record of a book opens it.")
    match stimulus:
        case PlaceBlock(token=str() as token) if token:
            return promise.place_promised(state, stimulus, inputs, market)
        case PlaceBlock():
            return placing.place_block(state, stimulus, inputs, market)
        case AmendBlock():
            return amending.amend_block(state, stimulus, market)
        case CloseAll():
            return amending.close_all(state, stimulus, market)
        case CancelAll():
            return amending.cancel_all(state, stimulus)
        case CloseBy():
            return netting.close_by(state, stimulus, inputs, market)
        case ReverseBlock():
            return reversing.reverse_block(state, stimulus, market)
        case TrailStop():
            return amending.trail_stop(state, stimulus, market)
        case StopBlock():
            return amending.stop_block(state, stimulus, market)
        case ExpireBlock():
            return placing.expire_block(state, stimulus, inputs.now_ms)
        case SetRule():
            return amending.set_rule(state, stimulus)
        case SetLinkTerms():
            return amending.set_link_terms(state, stimulus)
        case SetLinkStatus():
            return amending.set_link_status(state, stimulus)
        case CloseBlock():
            return closing.close_block(state, stimulus, market)
        case CancelBlock():
            return placing.cancel_block(state, stimulus)
        case TriggerBlock():
            return placing.trigger_block(state, stimulus, inputs, market)
        case LinkAccount():
            return joining.link_account(state, stimulus, inputs, market)
        case LinkAccounts():
            return joining.link_accounts(state, stimulus, inputs)
        case UnlinkAccount():
            return leaving.unlink_account(state, stimulus, market)
        case DetachTickets():
            return leaving.detach_tickets(state, stimulus, market)
        case OwnTicketClosed():
            return leaving.own_ticket_closed(state, stimulus)
        case AdjustBalance():
            return membership.adjust_balance(state, stimulus, inputs, market)
        case FillReported() if (leg := legs.leg_of(state, stimulus.order_id)) is not None:
            return legs.leg_fill(state, leg, stimulus, market)
        case FillReported():
            return outside.reported_fill(state, stimulus, inputs, market)
        case OutsideFill():
            return outside.outside_fill(state, stimulus, inputs, market)
        case BustReported():
            return busting.bust(state, stimulus, market)
        case OrderEnded() if (leg := legs.leg_of(state, stimulus.order_id)) is not None:
            return legs.leg_ended(state, leg, stimulus, inputs.now_ms, market)
        case OrderEnded():
            return filling.order_ended(state, stimulus, inputs.now_ms, market)
        case CancelReported():
            return filling.cancel_reported(state, stimulus)
        case BookingReported():
            return filling.booking_reported(state, stimulus)
        case BalanceReported():
            return membership.settle_balance(state, stimulus, inputs, market)
        case SetProtection():
            return setting.set_protection(state, stimulus, market)
        case HardStop():
            return confirming.hard_stop(state, stimulus, market)
        case LiftStop():
            return setting.lift_stop(state, stimulus, market)
        case ReachLimits():
            return watching.reach_limits(state, stimulus, market)
        case SeePeaks():
            return watching.see_peaks(state, stimulus)
        case StartDay():
            return watching.start_day(state, stimulus, market)
        case AdvanceStops():
            return stopping.advance(state, stimulus, market)
        case FlatReported():
            return stopping.flat_reported(state, stimulus, market)
        case ServerClosed():
            return reporting.server_closed(state, stimulus)
        case RetryLegs():
            return legs.retry_legs(state, stimulus, inputs.now_ms)
        case SetExecution():
            return venues.set_execution(state, stimulus)
        case DefineVenue():
            return venues.define_venue(stimulus)
        case DefineSymbols():
            return [SymbolDefined(symbol=symbol) for symbol in stimulus.symbols], {}


def _open(state: BookState | None, stimulus: OpenBook) -> Decided:
    if state is not None:
        raise StateError("book_open", "This book has been opened already.")
    event = BookOpened(
        book_id=stimulus.book_id,
        book_no=stimulus.book_no,
        master_login=stimulus.master_login,
        currency=stimulus.currency,
        currency_digits=stimulus.currency_digits,
    )
    return [event], {}


def _refused(error: ProrataError) -> CommandRefused:
    return CommandRefused(
        kind=type(error).__name__,
        code=error.code,
        message=error.message,
        details={key: str(value) for key, value in error.details.items()},
    )
