"""Stop-limit, trailing, reverse, close-by, late fills, sessions: the rules of the pure book."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import encode
from apps.core.book.decide import decide
from apps.core.book.records import Body, refusal
from apps.core.book.reversing import opposite_block_id
from apps.core.book.state import Block, BookingIntent, SubmitIntent
from apps.core.sessions import is_open, minute_of_week
from apps.engine.due import due
from tests.core_book.people import watch
from tests.core_book.world import START_MS, SYMBOLS, World


def calm(seed: int, accounts: int = 5) -> World:
    """A world where prices stand still and everything is filled at once."""
    return World(seed, accounts=accounts, moods=False)


def price(points: int, digits: int = 5) -> Decimal:
    return Decimal(points).scaleb(-digits)


def only(world: World) -> Block:
    (block,) = world.book.blocks.values()
    return block


def opened(world: World, lots: str = "3.33", **over: Any) -> Block:
    world.place(lots, **over)
    world.settle()
    return only(world)


def move(world: World, points: int, name: str = "EURUSD") -> None:
    world.mid[name] += points
    world.now_ms += 100


def events_of(world: World, kind: type) -> list[Any]:
    return [event for body in world.bodies for event in body.events if isinstance(event, kind)]


def code_of(body: Body) -> str:
    refused = refusal(body)
    assert refused is not None
    return refused.code


# -- stop-limit


def test_a_stop_limit_waits_for_its_stop_and_is_then_a_limit_at_the_server() -> None:
    world = calm(1)
    mid = world.mid["EURUSD"]
    body = world.place(
        "1.00", kind="stop_limit", price=price(mid + 100), limit_price=price(mid + 90)
    )
    assert body.result["status"] == "pending"
    move(world, 50)
    watch(world)
    assert only(world).status == "pending"
    move(world, 50)
    watch(world)
    intent = world.book.intents[body.stimulus.command_id]
    assert isinstance(intent, SubmitIntent)
    assert (intent.kind, intent.price_points) == ("limit", mid + 90)
    assert only(world).status == "sent"


def test_a_stop_limit_is_sized_and_stopped_from_its_limit() -> None:
    world = calm(2)
    mid = world.mid["EURUSD"]
    order: dict[str, Any] = {
        "kind": "stop_limit",
        "price": price(mid + 100),
        "limit_price": price(mid + 50),
    }
    body = world.place("1.00", **order, stop_loss=price(mid + 60))
    assert code_of(body) == "stop_loss_wrong_side"
    assert refusal(world.place("1.00", **order, stop_loss=price(mid + 40))) is None


# -- trailing


def test_a_trailing_stop_starts_at_its_distance_follows_in_steps_and_never_goes_back() -> None:
    world = calm(3)
    block = opened(world, trailing_distance=price(100), trailing_step=price(10))
    start = block.open_points
    assert block.sl_points == start - 100
    move(world, 14)  # the bid is 10 below the price it opened at: 4 points better
    watch(world)
    assert block.sl_points == start - 100
    move(world, 10)
    watch(world)
    assert block.sl_points == start - 100 + 14
    move(world, -60)
    watch(world)
    assert block.sl_points == start - 100 + 14
    assert len(events_of(world, ev.StopTrailed)) == 2
    move(world, -40)  # the bid is 14 − 100 from the start: the stop
    watch(world)
    world.settle()
    (close,) = events_of(world, ev.CloseRequested)
    assert close.reason == "stop_loss"
    assert world.book.blocks == {}


def test_a_short_trails_above_the_ask() -> None:
    world = calm(4)
    block = opened(world, side="sell", trailing_distance=price(100))
    start = block.open_points
    assert (block.sl_points, block.trailing_step_points) == (start + 100, 10)
    move(world, -50)
    watch(world)
    assert block.sl_points == start + 100 - 40
    move(world, 20)
    watch(world)
    assert block.sl_points == start + 100 - 40


def test_trailing_is_amended_begins_at_the_market_and_ends_where_it_is() -> None:
    world = calm(5)
    block = opened(world, stop_loss=price(world.mid["EURUSD"] - 900))

    def amend(**over: Any) -> Body:
        command = c.AmendBlock(command_id=world.new_id(), block_id=block.block_id, **over)
        return world.tell(command)

    amend(trailing_distance=price(200))
    assert block.sl_points == world.mid["EURUSD"] - 5 - 200
    amend(trailing_step=price(50))
    assert (block.trailing_points, block.trailing_step_points) == (200, 50)
    amend(trailing_distance=Decimal(0))
    assert (block.trailing_points, block.sl_points) == (None, world.mid["EURUSD"] - 205)
    assert code_of(amend(trailing_step=price(10))) == "trailing_invalid"
    assert code_of(amend(trailing_distance=price(10))) == "trailing_too_close"
    assert code_of(amend(limit_price=price(1000))) == "block_not_pending"


def test_a_quote_that_is_worth_no_step_writes_no_record() -> None:
    world = calm(6)
    block = opened(world, trailing_distance=price(500), trailing_step=price(100))
    move(world, 100)
    quote = world.quotes()["EURUSD"]
    assert due(world.book, block, quote, world.now_ms) is None
    move(world, 10)
    assert due(world.book, block, world.quotes()["EURUSD"], world.now_ms) is c.TrailStop


# -- reverse


def reverse(world: World, block: Block, **over: Any) -> Body:
    command = c.ReverseBlock(command_id=world.new_id(), block_id=block.block_id, **over)
    return world.tell(command)


def test_a_reversal_closes_first_and_opens_the_opposite_at_what_is_free_then() -> None:
    world = calm(7)
    block = opened(world)
    before = world.book.members.balance_minor.copy()
    body = reverse(world, block)
    assert body.result["block_id"] == str(opposite_block_id(body.stimulus.command_id))
    opposite = world.book.blocks[UUID(body.result["block_id"])]
    assert (opposite.status, opposite.side, opposite.requested_steps) == ("pending", "sell", 333)
    watch(world)
    assert opposite.status == "pending"  # the closing is on its way
    world.settle()
    assert block.block_id not in world.book.blocks
    watch(world)
    allocated = events_of(world, ev.BlockAllocated)[-1]
    assert allocated.order_steps == 333
    after = world.book.members.balance_minor
    assert (after < before).all()  # the spread is paid and counts
    assert np.array_equal(allocated.equity_minor, after[world.book.places(allocated.account_ids)])
    world.settle()
    assert only(world).status == "open"


def test_a_reversal_with_other_lots_and_stops() -> None:
    world = calm(8)
    block = opened(world, side="sell")
    stop = price(world.mid["EURUSD"] - 300)
    body = reverse(world, block, volume_lots=Decimal("1.00"), stop_loss=stop)
    world.settle()
    watch(world)
    world.settle()
    found = only(world)
    assert found.block_id == UUID(body.result["block_id"])
    assert (found.side, int(found.open_steps.sum())) == ("buy", 100)
    assert found.sl_points == world.mid["EURUSD"] - 300


def test_when_the_closing_fails_nothing_is_opened() -> None:
    world = calm(9)
    block = opened(world)
    body = reverse(world, block)
    ended = c.OrderEnded(
        command_id=world.new_id(), order_id=body.stimulus.command_id, how="rejected", code="no"
    )
    world.tell(ended)
    watch(world)
    (off,) = events_of(world, ev.BlockCancelled)
    assert (off.code, str(off.block_id)) == ("reverse_not_closed", body.result["block_id"])
    assert only(world) is block
    assert int(block.closing_steps.sum()) == 0


def test_when_the_opposite_is_refused_the_old_block_stays_closed_and_the_reason_is_shown() -> None:
    world = calm(10)
    block = opened(world)
    body = reverse(world, block)
    for account in range(1, 6):
        command = c.SetLinkStatus(command_id=world.new_id(), account_id=account, status="paused")
        world.tell(command)
    world.settle()
    watch(world)
    (off,) = events_of(world, ev.BlockRejected)
    assert (off.code, str(off.block_id)) == ("nothing_allocated", body.result["block_id"])
    assert world.book.blocks == {}


def test_an_opposite_whose_closing_takes_too_long_is_not_opened() -> None:
    world = calm(11)
    block = opened(world)
    reverse(world, block)
    world.now_ms += 60_001
    watch(world)
    (off,) = events_of(world, ev.BlockCancelled)
    assert off.code == "expired"


# -- close-by


def pair(world: World) -> tuple[Block, Block]:
    """A long of 3.00 and a short of 1.20 lots."""
    world.place("3.00")
    world.place("1.20", side="sell")
    world.settle()
    long, short = world.book.blocks.values()
    return long, short


def close_by(world: World, one: Block, other: Block) -> Body:
    command = c.CloseBy(
        command_id=world.new_id(), block_id=one.block_id, other_block_id=other.block_id
    )
    return world.tell(command)


def test_netted_blocks_cancel_out_per_account_without_an_order_and_without_the_spread() -> None:
    world = calm(12)
    world.can_net = True
    long, short = pair(world)
    held = dict(zip(long.members.tolist(), long.open_steps.tolist(), strict=True))
    against = dict(zip(short.members.tolist(), short.open_steps.tolist(), strict=True))
    before = world.book.members.balance_minor.copy()
    body = close_by(world, long, short)
    total = sum(min(steps, against.get(member, 0)) for member, steps in held.items())
    assert body.result["closed_steps"] == total
    assert not any(isinstance(i, SubmitIntent) for i in world.book.intents.values())
    (booking,) = world.book.intents.values()
    assert isinstance(booking, BookingIntent)
    assert booking.deal_ids == []
    assert booking.rates
    first, second = events_of(world, ev.CloseFilled)
    assert first.price_points == second.price_points == short.open_points
    assert not second.pnl_minor.any()
    gained = world.book.members.balance_minor - before
    assert np.array_equal(gained[long.members[: first.pnl_minor.size]], first.pnl_minor)
    world.settle()
    world.server.compare()
    for member, steps in held.items():
        at = int(np.flatnonzero(long.members == member)[0])
        assert long.open_steps[at] == steps - min(steps, against.get(member, 0))


def test_a_server_that_does_not_net_gets_one_order_for_each_side() -> None:
    world = calm(13)
    world.can_net = False
    long, short = pair(world)
    body = close_by(world, long, short)
    orders = [i for i in world.book.intents.values() if isinstance(i, SubmitIntent)]
    assert {i.side for i in orders} == {"buy", "sell"}
    assert {i.steps for i in orders} == {body.result["closed_steps"]}
    world.settle()
    world.server.compare()


def test_blocks_that_do_not_oppose_each_other_are_refused() -> None:
    world = calm(14)
    long, short = pair(world)
    world.place("1.00", "GBPUSD", side="sell")
    world.settle()
    before = encode(world.book)
    third = list(world.book.blocks.values())[-1]
    assert code_of(close_by(world, long, long)) == "close_by_mismatch"
    assert code_of(close_by(world, long, third)) == "close_by_mismatch"
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=short.block_id))
    assert code_of(close_by(world, long, short)) == "nothing_to_close"
    assert encode(world.book) != before  # by the close alone


# -- several prices, one of them late


def fill(world: World, order_id: UUID, steps: int, points: int, cum: int, whole: int) -> Body:
    """A fill as the server tells it."""
    intent = next(
        (i for i in world.book.intents.values() if isinstance(i, SubmitIntent)), None
    ) or SubmitIntent(
        order_id=order_id,
        symbol="EURUSD",
        side="buy",
        steps=whole,
        kind="market",
        price_points=None,
        closing=False,
        decided_at_ms=world.now_ms,
    )
    world.server.filled[order_id] = cum - steps
    report = world.server.execute(msgspec.structs.replace(intent, order_id=order_id), steps, points)
    return world.tell(report)


def test_fills_at_three_prices_are_one_price_for_all_and_the_house_takes_the_rest() -> None:
    world = calm(15, accounts=7)
    order_id = world.place("1.00").stimulus.command_id
    fill(world, order_id, 33, 108_001, 33, 100)
    fill(world, order_id, 33, 108_004, 66, 100)
    body = fill(world, order_id, 34, 108_006, 100, 100)
    filled = body.events[0]
    assert isinstance(filled, ev.BlockFilled)
    paid = 33 * 108_001 + 33 * 108_004 + 34 * 108_006
    assert filled.price_points == 108_004  # 108 003.69, half up
    assert filled.house_points_steps == paid - 108_004 * 100 == -31
    close_id = world.tell(
        c.CloseBlock(command_id=world.new_id(), block_id=order_id)
    ).stimulus.command_id
    fill(world, close_id, 50, 108_101, 50, 100)
    closed = fill(world, close_id, 50, 108_102, 100, 100).events[0]
    assert isinstance(closed, ev.CloseFilled)
    assert (closed.price_points, closed.house_points_steps) == (108_102, -50)


def end(world: World, order_id: UUID) -> Body:
    return world.tell(
        c.OrderEnded(command_id=world.new_id(), order_id=order_id, how="cancelled", code="x")
    )


def test_a_fill_after_the_end_of_its_opening_order_opens_and_closes_nothing_else() -> None:
    world = calm(16)
    short = opened(world, side="sell")
    order_id = world.place("1.00").stimulus.command_id
    end(world, order_id)
    body = fill(world, order_id, 40, 108_010, 40, 100)
    placed, allocated, filled = body.events
    assert isinstance(placed, ev.BlockPlaced)
    assert (placed.origin, placed.side, placed.requested_steps) == ("late", "buy", 40)
    assert isinstance(allocated, ev.BlockAllocated)
    assert isinstance(filled, ev.BlockFilled)
    assert int(filled.steps.sum()) == 40
    assert int(short.open_steps.sum()) == 333
    world.settle()
    world.server.compare()


def test_a_fill_after_the_end_of_its_closing_order_closes() -> None:
    world = calm(17)
    block = opened(world)
    close_id = world.tell(
        c.CloseBlock(command_id=world.new_id(), block_id=block.block_id)
    ).stimulus.command_id
    end(world, close_id)
    order = SubmitIntent(
        order_id=close_id,
        symbol="EURUSD",
        side="sell",
        steps=333,
        kind="market",
        price_points=None,
        closing=True,
        decided_at_ms=world.now_ms,
    )
    body = world.tell(world.server.execute(order, 100, 108_000))
    assert [type(event) for event in body.events] == [ev.CloseRequested, ev.CloseFilled]
    assert int(block.open_steps.sum()) == 233
    world.settle()
    world.server.compare()


def test_a_block_that_ended_half_filled_gets_its_late_part_as_a_block_of_its_own() -> None:
    world = calm(18)
    order_id = world.place("1.00").stimulus.command_id
    fill(world, order_id, 40, 108_000, 40, 100)
    end(world, order_id)
    assert int(only(world).open_steps.sum()) == 40
    fill(world, order_id, 60, 108_020, 100, 100)
    world.settle()
    first, second = world.book.blocks.values()
    assert [int(b.open_steps.sum()) for b in (first, second)] == [40, 60]
    assert [b.open_points for b in (first, second)] == [108_000, 108_020]
    world.server.compare()


# -- sessions


def test_a_closed_market_refuses_what_needs_it_and_holds_triggers_back() -> None:
    world = calm(19)
    limit = price(world.mid["EURUSD"] - 100)
    world.place("1.00", kind="limit", price=limit)
    waiting = only(world)
    minute = minute_of_week(START_MS)
    closed = msgspec.structs.replace(SYMBOLS[0], sessions=((minute - 20, minute - 10),))
    world.tell(c.DefineSymbols(command_id=world.new_id(), symbols=[closed]))
    before = encode(world.book)
    assert code_of(world.place("1.00")) == "market_closed"
    move(world, -200)
    assert due(world.book, waiting, world.quotes()["EURUSD"], world.now_ms) is None
    trigger = c.TriggerBlock(command_id=world.new_id(), block_id=waiting.block_id)
    refused = decide(world.book, trigger, world.inputs()).events[0]
    assert isinstance(refused, ev.CommandRefused)
    assert refused.code == "market_closed"
    assert encode(world.book) == before
    cancelled = world.tell(c.CancelAll(command_id=world.new_id()))
    assert cancelled.result["blocks"] == 1  # what waits can be withdrawn at any time


@pytest.mark.parametrize(
    ("at", "is_it"),
    [("2026-11-20T21:59:59", True), ("2026-11-20T22:00:00", False), ("2026-11-22T22:00:00", True)],
)
def test_a_week_of_currencies_ends_on_friday_and_begins_on_sunday(at: str, is_it: bool) -> None:
    week = ((0, 4 * 1440 + 22 * 60), (6 * 1440 + 22 * 60, 7 * 1440))
    at_ms = int(np.datetime64(at, "ms").astype(np.int64))
    assert is_open(week, at_ms) is is_it


# -- gaps


def test_a_price_passed_unseen_triggers_at_the_first_quote_and_an_expired_order_does_not() -> None:
    world = calm(20)
    mid = world.mid["EURUSD"]
    stop = world.place("1.00", kind="stop", price=price(mid + 100)).stimulus.command_id
    world.place(
        "1.00",
        kind="stop",
        price=price(mid + 100),
        expiry="date",
        expires_at_ms=world.now_ms + 1_000,
    )
    world.now_ms += 3_600_000  # nobody looked for an hour
    world.mid["EURUSD"] += 700
    watch(world)
    assert world.book.blocks.keys() == {stop}
    assert events_of(world, ev.BlockCancelled)[0].code == "expired"
    world.settle()
    assert only(world).open_points == mid + 700 + 5  # the market, not the stop
