"""Order states: one transition table; triggers, protective stops and expiry as predicates.

Prices are points (integers), sides +1 buy / −1 sell, times UTC milliseconds. A buy fills at the
ask and is marked at the bid; a sell the other way round.
"""

from __future__ import annotations

from enum import StrEnum

from apps.core.errors import InputError, StateError


class Kind(StrEnum):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit"


class State(StrEnum):
    """An order's life. UNKNOWN: sent, no answer; it is settled by asking, never by resending."""

    NEW = "new"  # intent recorded, nothing sent
    SENT = "sent"
    UNKNOWN = "unknown"
    WORKING = "working"  # accepted, waits for its price
    TRIGGERED = "triggered"  # a stop-limit whose stop was touched: now a limit
    PARTIALLY_FILLED = "partially_filled"
    CANCELLING = "cancelling"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


class Event(StrEnum):
    SEND = "send"
    TIME_OUT = "time_out"
    ACCEPT = "accept"
    TRIGGER = "trigger"
    FILL_PART = "fill_part"
    FILL = "fill"
    REQUEST_CANCEL = "request_cancel"
    REFUSE_CANCEL = "refuse_cancel"
    CANCEL = "cancel"
    REJECT = "reject"
    EXPIRE = "expire"
    FOUND_NOTHING = "found_nothing"  # asked after UNKNOWN: the server never had it


FINAL = frozenset({State.FILLED, State.CANCELLED, State.REJECTED, State.EXPIRED})

_ANSWERED = {
    Event.ACCEPT: State.WORKING,
    Event.FILL_PART: State.PARTIALLY_FILLED,
    Event.FILL: State.FILLED,
    Event.REJECT: State.REJECTED,
    Event.CANCEL: State.CANCELLED,
    Event.EXPIRE: State.EXPIRED,
}
_RESTING = {
    Event.FILL_PART: State.PARTIALLY_FILLED,
    Event.FILL: State.FILLED,
    Event.REQUEST_CANCEL: State.CANCELLING,
    Event.CANCEL: State.CANCELLED,
    Event.EXPIRE: State.EXPIRED,
}

TRANSITIONS: dict[State, dict[Event, State]] = {
    State.NEW: {
        Event.SEND: State.SENT,
        Event.REJECT: State.REJECTED,
        Event.CANCEL: State.CANCELLED,
        Event.EXPIRE: State.EXPIRED,
    },
    State.SENT: {**_ANSWERED, Event.TIME_OUT: State.UNKNOWN},
    State.UNKNOWN: {**_ANSWERED, Event.FOUND_NOTHING: State.REJECTED},
    State.WORKING: {**_RESTING, Event.TRIGGER: State.TRIGGERED, Event.REJECT: State.REJECTED},
    State.TRIGGERED: {**_RESTING, Event.REJECT: State.REJECTED},
    State.PARTIALLY_FILLED: _RESTING,
    State.CANCELLING: {
        Event.CANCEL: State.CANCELLED,
        Event.FILL_PART: State.CANCELLING,
        Event.FILL: State.FILLED,
        Event.EXPIRE: State.EXPIRED,
        Event.REFUSE_CANCEL: State.WORKING,
    },
    **{state: {} for state in FINAL},
}


def after(state: State, event: Event) -> State:
    """The next state; StateError `order_event_impossible` where the table has no row."""
    following = TRANSITIONS[state].get(event)
    if following is None:
        raise StateError(
            "order_event_impossible",
            f"an order that is {state} cannot {event}",
            state=str(state),
            event=str(event),
        )
    return following


class Expiry(StrEnum):
    GTC = "gtc"
    DAY = "day"  # until the end of the server's trading day it was placed on
    DATE = "date"


def expires_at_ms(expiry: Expiry, day_end_ms: int, date_ms: int | None = None) -> int | None:
    """When the order lapses, or None for good till cancelled."""
    match Expiry(expiry):
        case Expiry.GTC:
            return None
        case Expiry.DAY:
            return day_end_ms
        case Expiry.DATE if date_ms is not None:
            return date_ms
    raise InputError("missing_expiry", "an order with a date needs one", field="expiry")


def expired(at_ms: int, expires_ms: int | None) -> bool:
    """Whether the order has lapsed at `at_ms` (the very moment included)."""
    return expires_ms is not None and at_ms >= expires_ms


def fills_as_limit(side: int, limit_points: int, bid_points: int, ask_points: int) -> bool:
    """A limit fills when the market is at its price or better."""
    return ask_points <= limit_points if side > 0 else bid_points >= limit_points


def touches_stop(side: int, stop_points: int, bid_points: int, ask_points: int) -> bool:
    """A stop triggers when the market is at its price or worse."""
    return ask_points >= stop_points if side > 0 else bid_points <= stop_points


def check_prices(
    kind: Kind,
    side: int,
    bid_points: int,
    ask_points: int,
    *,
    price_points: int | None = None,
    stop_points: int | None = None,
) -> None:
    """Refuse a pending order whose prices are missing, or that would execute at once.

    price_points: the limit; stop_points: the stop. InputError `missing_price`,
    `wrong_side_of_market`.
    """
    needs_limit = kind in (Kind.LIMIT, Kind.STOP_LIMIT)
    needs_stop = kind in (Kind.STOP, Kind.STOP_LIMIT)
    if (needs_limit and price_points is None) or (needs_stop and stop_points is None):
        raise InputError("missing_price", f"a {kind} order needs its price", kind=str(kind))
    crossed = (
        stop_points is not None
        and needs_stop
        and touches_stop(side, stop_points, bid_points, ask_points)
    ) or (
        price_points is not None
        and kind is Kind.LIMIT
        and fills_as_limit(side, price_points, bid_points, ask_points)
    )
    if crossed:
        raise InputError("wrong_side_of_market", "the order would execute at once", kind=str(kind))


class Protection(StrEnum):
    """Which protective price was reached."""

    STOP_LOSS = "stop_loss"
    TAKE_PROFIT = "take_profit"


def protection_hit(
    side: int,
    bid_points: int,
    ask_points: int,
    stop_loss: int | None = None,
    take_profit: int | None = None,
) -> Protection | None:
    """SL or TP of an open block at the price it would close at; SL first when both are reached."""
    price = bid_points if side > 0 else ask_points
    if stop_loss is not None and (price - stop_loss) * side <= 0:
        return Protection.STOP_LOSS
    if take_profit is not None and (price - take_profit) * side >= 0:
        return Protection.TAKE_PROFIT
    return None


def trailed_stop(
    side: int,
    stop_loss: int | None,
    distance_points: int,
    bid_points: int,
    ask_points: int,
    open_points: int | None = None,
) -> int | None:
    """The trailing stop after this quote: it only ever moves in the position's favour.

    With `open_points` it starts to trail once the position is in profit by the distance.
    """
    if distance_points <= 0:
        raise InputError("bad_distance", "a trailing distance is positive")
    price = bid_points if side > 0 else ask_points
    if open_points is not None and (price - open_points) * side < distance_points:
        return stop_loss
    candidate = price - distance_points * side
    if stop_loss is None or (candidate - stop_loss) * side > 0:
        return candidate
    return stop_loss
