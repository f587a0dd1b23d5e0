"""Order states: one table, nothing outside it; triggers, trailing stops, expiry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import orders
from apps.core.errors import InputError, StateError
from apps.core.orders import Event, Expiry, Kind, Protection, State


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_every_pair_is_a_row_or_a_state_error(state: State, event: Event) -> None:
    row = orders.TRANSITIONS[state].get(event)
    if row is not None:
        assert orders.after(state, event) is row
    else:
        with pytest.raises(StateError) as caught:
            orders.after(state, event)
        assert caught.value.code == "order_event_impossible"


def test_final_states_stay_final_and_every_state_can_be_reached() -> None:
    for state in orders.FINAL:
        assert orders.TRANSITIONS[state] == {}
    reached, frontier = {State.NEW}, [State.NEW]
    while frontier:
        for following in orders.TRANSITIONS[frontier.pop()].values():
            if following not in reached:
                reached.add(following)
                frontier.append(following)
    assert reached == set(State)


def test_an_unknown_outcome_is_settled_by_an_answer_and_never_sent_again() -> None:
    assert Event.SEND not in orders.TRANSITIONS[State.UNKNOWN]
    assert orders.after(State.UNKNOWN, Event.FILL) is State.FILLED
    assert orders.after(State.UNKNOWN, Event.FOUND_NOTHING) is State.REJECTED


@given(st.sampled_from([1, -1]), st.integers(90, 110), st.integers(90, 110), st.integers(0, 3))
def test_at_any_price_a_limit_or_a_stop_is_ready_and_at_its_price_both(
    side: int, price: int, bid: int, spread: int
) -> None:
    ask = bid + spread
    limit = orders.fills_as_limit(side, price, bid, ask)
    stop = orders.touches_stop(side, price, bid, ask)
    market = ask if side > 0 else bid
    assert limit or stop
    assert (limit and stop) == (market == price)


def test_pending_orders_on_the_wrong_side_or_without_a_price_are_refused() -> None:
    orders.check_prices(Kind.LIMIT, 1, 100, 102, price_points=101)
    orders.check_prices(Kind.STOP, 1, 100, 102, stop_points=103)
    orders.check_prices(Kind.STOP_LIMIT, -1, 100, 102, stop_points=99, price_points=98)
    orders.check_prices(Kind.MARKET, 1, 100, 102)
    for kind, prices, code in [
        (Kind.LIMIT, {"price_points": 102}, "wrong_side_of_market"),
        (Kind.STOP, {"stop_points": 102}, "wrong_side_of_market"),
        (Kind.STOP_LIMIT, {"stop_points": 103}, "missing_price"),
    ]:
        with pytest.raises(InputError) as caught:
            orders.check_prices(kind, 1, 100, 102, **prices)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("side", "bid", "ask", "hit"),
    [
        (1, 90, 91, Protection.STOP_LOSS),
        (1, 91, 92, None),
        (1, 110, 111, Protection.TAKE_PROFIT),
        (-1, 108, 110, Protection.STOP_LOSS),
        (-1, 108, 109, None),
        (-1, 89, 90, Protection.TAKE_PROFIT),
    ],
)
def test_protection_looks_at_the_price_the_position_would_close_at(
    side: int, bid: int, ask: int, hit: Protection | None
) -> None:
    stop, target = (90, 110) if side > 0 else (110, 90)
    assert orders.protection_hit(side, bid, ask, stop, target) is hit


def test_a_gap_over_both_counts_as_the_stop() -> None:
    assert orders.protection_hit(1, 80, 81, 90, 70) is Protection.STOP_LOSS


@given(st.sampled_from([1, -1]), st.lists(st.integers(50, 150), min_size=1), st.integers(1, 20))
def test_a_trailing_stop_only_moves_in_favour_and_stays_at_its_distance(
    side: int, bids: list[int], distance: int
) -> None:
    stop: int | None = None
    for bid in bids:
        before, stop = stop, orders.trailed_stop(side, stop, distance, bid, bid + 1)
        assert stop is not None
        assert before is None or (stop - before) * side >= 0
    prices = bids if side > 0 else [bid + 1 for bid in bids]
    best = max(prices) if side > 0 else min(prices)
    assert stop == best - distance * side


def test_trailing_can_wait_for_profit() -> None:
    assert orders.trailed_stop(1, 80, 10, 105, 106, open_points=100) == 80
    assert orders.trailed_stop(1, 80, 10, 110, 111, open_points=100) == 100
    with pytest.raises(InputError):
        orders.trailed_stop(1, None, 0, 1, 2)


def test_expiry() -> None:
    assert orders.expires_at_ms(Expiry.GTC, 1000) is None
    assert orders.expires_at_ms(Expiry.DAY, 1000) == 1000
    assert orders.expires_at_ms(Expiry.DATE, 1000, 5000) == 5000
    with pytest.raises(InputError):
        orders.expires_at_ms(Expiry.DATE, 1000)
    assert orders.expired(1000, 1000)
    assert not orders.expired(999, 1000)
    assert not orders.expired(10**15, None)
