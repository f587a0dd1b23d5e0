"""Mirror mode in the pure book: own orders and prices, promised shares, retries by decision."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from apps.core.allocation import Rule
from apps.core.allocation.rule import Rounding
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.mirror.venues import own_points, own_volume
from apps.core.book.records import Body
from apps.core.book.state import Block, Leg, LegIntent, Note, SubmitIntent
from tests.core_book.elsewhere import PRO
from tests.core_book.server import Deal
from tests.core_book.test_book import verify
from tests.core_book.test_terms import allocated, code_of
from tests.core_book.world import World, replay, same, symbol

EQUAL = Rule(method="equal", carry_forward=False)  # type: ignore[arg-type]


def mirror_world(accounts: int = 4, *, elsewhere: int = 0, mode: str = "mirror") -> World:
    """Members with money enough, the first `elsewhere` of them on the second server."""
    world = World(21, accounts=accounts, moods=False, elsewhere=elsewhere)
    for account_id in range(1, accounts + 1):
        command_id = world.new_id()
        world.tell(
            c.AdjustBalance(
                command_id=command_id,
                account_id=account_id,
                kind="deposit",
                amount_minor=500_000_000,
            )
        )
    world.settle()
    execution: Any = mode
    world.tell(c.SetExecution(command_id=world.new_id(), mode=execution))
    return world


def legs_of(world: World) -> list[LegIntent]:
    return [i for i in world.book.intents.values() if isinstance(i, LegIntent)]


def fill(world: World, leg: LegIntent, price: int, *, deal: str = "") -> Body:
    return world.tell(
        c.FillReported(
            command_id=world.new_id(),
            order_id=leg.order_id,
            deal_id=deal or str(leg.ordinal + 1),
            steps=leg.own_steps,
            cum_steps=leg.own_steps,
            leaves_steps=0,
            price_points=price,
            rates={},
            server_seq=1,
            at_ms=world.now_ms,
            server_id=leg.server_id,
            position_id=9_000 + leg.ordinal,
        )
    )


def fail(world: World, leg: LegIntent, code: str = "no_money") -> Body:
    return world.tell(
        c.OrderEnded(command_id=world.new_id(), order_id=leg.order_id, how="rejected", code=code)
    )


def only_block(world: World) -> Block:
    (block,) = world.book.blocks.values()
    return block


def kinds(body: Body) -> list[str]:
    return [type(event).__name__ for event in body.events]


@pytest.mark.parametrize("seed", range(30))
def test_any_life_with_legs_on_two_servers_keeps_sums_replays_and_verifies(seed: int) -> None:
    world = World(1_000 + seed, elsewhere=seed % 7 + 1)
    for _ in range(140):
        world.act()
        world.check()
    world.settle()
    world.check()
    assert same(replay(world.records), world.book)
    assert same(verify(world), world.book)
    counts = [type(e).__name__ for b in world.bodies for e in b.events]
    assert "LegFilled" in counts
    world.server.compare()


def test_each_account_gets_one_order_of_its_own_and_the_master_none() -> None:
    world = mirror_world()
    body = world.place("1.00", rule=EQUAL)
    assert kinds(body) == ["BlockPlaced", "BlockAllocated", "LegsPlanned"]
    assert not any(isinstance(i, SubmitIntent) for i in world.book.intents.values())
    legs = legs_of(world)
    assert [leg.own_steps for leg in legs] == allocated(body).steps.tolist() == [25] * 4
    assert len({leg.order_id for leg in legs}) == 4


def test_every_ticket_has_its_price_its_slippage_and_its_pnl() -> None:
    world = mirror_world()
    world.place("1.00", rule=EQUAL)
    reference = world.quotes()["EURUSD"].ask
    for at, leg in enumerate(legs_of(world)):
        (filled, *rest) = fill(world, leg, reference + at - 1).events
        assert isinstance(filled, ev.LegFilled)
        assert filled.slippage_points == at - 1
    (settled,) = rest
    assert isinstance(settled, ev.LegsSettled)
    assert (settled.filled, settled.failed) == (4, 0)
    block = only_block(world)
    assert block.open_points == reference + 1  # (−1 + 0 + 1 + 2) / 4, half up, for show
    at_close = world.quotes()["EURUSD"].bid
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id))
    closings = legs_of(world)
    assert [leg.position_id for leg in closings] == [9_000, 9_001, 9_002, 9_003]
    assert all(leg.side == "sell" for leg in closings)
    for at, leg in enumerate(closings):
        body = fill(world, leg, at_close - 2, deal=f"c{at}")
        closed = body.events[0]
        assert isinstance(closed, ev.LegClosed)
        assert closed.slippage_points == 2
        if set(closed.rates) == {"USD"}:
            assert closed.pnl_minor == 25 * (at_close - 2 - (reference + at - 1))
    assert kinds(body)[-1] == "BlockClosed"
    assert world.book.blocks == {}
    assert same(verify(world), world.book)


def test_a_failed_leg_is_shown_and_sent_again_only_by_decision_under_a_fresh_id() -> None:
    world = mirror_world()
    world.place("1.00", rule=EQUAL)
    first, second, *others = legs_of(world)
    fill(world, first, 108_005)
    block_id = first.block_id
    retry = c.RetryLegs(command_id=world.new_id(), block_id=block_id, account_ids=[2])
    assert code_of(world.tell(retry)) == "leg_not_settled"
    assert kinds(fail(world, second)) == ["LegFailed"]
    assert only_block(world).legs.codes == {1: "no_money"}  # type: ignore[union-attr]
    assert second.order_id not in world.book.intents
    for leg in others:
        body = fill(world, leg, 108_005)
    assert kinds(body) == ["LegFilled", "LegsSettled"]
    world.settle()
    assert legs_of(world) == []
    body = world.tell(c.RetryLegs(command_id=world.new_id(), block_id=block_id))
    assert body.result["account_ids"] == [2]
    (again,) = legs_of(world)
    assert again.order_id != second.order_id
    assert again.own_steps == second.own_steps
    fill(world, again, 108_009)
    assert only_block(world).open_steps.tolist() == [25] * 4
    retry = c.RetryLegs(command_id=world.new_id(), block_id=block_id)
    assert code_of(world.tell(retry)) == "nothing_to_retry"


def test_a_block_of_which_no_leg_opened_is_rejected() -> None:
    world = mirror_world()
    world.place("1.00", rule=EQUAL)
    for leg in legs_of(world):
        body = fail(world, leg)
    assert kinds(body) == ["LegFailed", "LegsSettled", "BlockRejected"]
    assert world.book.blocks == {}


def test_legs_cannot_be_asked_back() -> None:
    world = mirror_world()
    block_id = world.place("1.00", rule=EQUAL).stimulus.command_id
    body = world.tell(c.CancelBlock(command_id=world.new_id(), block_id=block_id))
    assert code_of(body) == "legs_on_their_way"


def test_what_is_open_can_be_closed_while_a_leg_has_no_outcome() -> None:
    world = mirror_world()
    world.place("1.00", rule=EQUAL)
    slow, *others = legs_of(world)
    for leg in others:
        fill(world, leg, 108_005)
    block = only_block(world)
    body = world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id))
    assert body.result["order_steps"] == 75
    for leg in [i for i in legs_of(world) if i.close_id is not None]:
        fill(world, leg, 108_000, deal=f"c{leg.ordinal}")
    assert only_block(world).status == "open"  # it may still open
    fill(world, slow, 108_010)
    assert only_block(world).open_steps.tolist() == [25, 0, 0, 0]


def test_a_late_leg_of_one_who_leaves_is_closed_at_once_and_then_it_is_detached() -> None:
    world = mirror_world()
    world.place("1.00", rule=EQUAL)
    world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=1))
    first, second, *_ = legs_of(world)
    assert kinds(fill(world, first, 108_005)) == ["LegFilled", "CloseRequested"]
    fill(world, second, 108_005)
    (closing,) = [i for i in legs_of(world) if i.close_id is not None]
    assert kinds(fill(world, closing, 108_001, deal="c")) == ["LegClosed", "MemberDetached"]


def test_a_failed_closing_leaves_the_ticket_open_to_be_closed_again() -> None:
    world = mirror_world(2)
    world.place("0.40", rule=EQUAL)
    for leg in legs_of(world):
        fill(world, leg, 108_005)
    block = only_block(world)
    half = Decimal("0.5")
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id, fraction=half))
    one, two = legs_of(world)
    fail(world, one, "market_closed")
    fill(world, two, 108_000, deal="c")
    assert block.legs is not None
    assert block.legs.codes == {0: "market_closed"}
    assert block.open_steps.tolist() == [20, 10]
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id))
    assert [leg.own_steps for leg in legs_of(world)] == [20, 10]


def test_accounts_elsewhere_are_legs_and_go_after_the_master_order_at_its_price() -> None:
    world = mirror_world(elsewhere=2, mode="auto")
    body = world.place("1.00", rule=EQUAL)
    planned = body.events[2]
    assert isinstance(planned, ev.LegsPlanned)
    assert planned.waits
    assert planned.own_steps.tolist() == [250, 250]  # a contract of a tenth
    (order,) = world.book.intents.values()
    assert isinstance(order, SubmitIntent)
    assert order.steps == 50
    world.server.deals["m"] = Deal(50, 108_016, 50)
    body = world.tell(
        c.FillReported(
            command_id=world.new_id(),
            order_id=order.order_id,
            deal_id="m",
            steps=50,
            cum_steps=50,
            leaves_steps=0,
            price_points=108_016,
            rates={},
            server_seq=77,
            at_ms=world.now_ms,
        )
    )
    assert kinds(body) == ["BlockFilled", "LegsSent"]
    legs = legs_of(world)
    assert [(leg.symbol, leg.reference_points) for leg in legs] == [("EURUSD.pro@2", 10_802)] * 2
    filled = fill(world, legs[0], 10_803).events[0]
    assert isinstance(filled, ev.LegFilled)
    assert (filled.steps, filled.own_steps, filled.slippage_points) == (25, 250, 1)
    fail(world, legs[1])
    assert only_block(world).open_steps.tolist() == [25, 0, 25, 25]
    assert world.book.server_seq == 77
    assert world.book.mirror.cursors == {2: 5}
    exposure = world.book.exposures["EURUSD.pro@2"]
    assert exposure.long_steps.tolist() == [250, 0, 0, 0]


def test_a_master_order_that_is_refused_takes_its_waiting_legs_with_it() -> None:
    world = mirror_world(elsewhere=2, mode="auto")
    block_id = world.place("1.00", rule=EQUAL).stimulus.command_id
    world.tell(
        c.OrderEnded(command_id=world.new_id(), order_id=block_id, how="rejected", code="no")
    )
    assert world.book.blocks == {}
    assert world.book.intents == {}


def test_a_symbol_that_is_nothing_there_fails_on_those_accounts_alone() -> None:
    world = mirror_world(elsewhere=1, mode="auto")
    world.place("1.00", "GBPUSD", rule=EQUAL)
    world.settle()
    block = only_block(world)
    assert block.legs is not None
    assert block.legs.codes == {0: "symbol_not_mapped"}
    assert block.open_steps.tolist() == [0, 25, 25, 25]
    body = world.tell(c.RetryLegs(command_id=world.new_id(), block_id=block.block_id))
    assert code_of(body) == "nothing_to_retry"


def test_a_block_that_nobody_could_be_sent_is_rejected_with_the_reason() -> None:
    world = mirror_world(2, elsewhere=2, mode="auto")
    body = world.place("1.00", "GBPUSD", rule=EQUAL)
    assert kinds(body)[-1] == "BlockRejected"
    rejected = body.events[-1]
    assert isinstance(rejected, ev.BlockRejected)
    assert (rejected.code, rejected.raw) == ("legs_impossible", "symbol_not_mapped")
    assert world.book.blocks == {}


def test_an_account_elsewhere_needs_a_map() -> None:
    world = World(3, accounts=2, moods=False)
    world.elsewhere = 9
    assert code_of(world.link(9)) == "server_not_mapped"


HOME = symbol("EURUSD", 5, "EUR", "USD")
SMALL = symbol("E", 5, "EUR", "USD", contract_size=Decimal(30_000), min_steps=2, max_steps=900)


@pytest.mark.parametrize(
    ("steps", "rounding", "made"),
    [
        (3, Rounding.DOWN, (10, Note.EXACT)),
        (2, Rounding.DOWN, (6, Note.LOTS_ROUNDED)),
        (2, Rounding.NEAREST_HALF_UP, (7, Note.LOTS_ROUNDED)),
        (0, Rounding.DOWN, (0, Note.LEG_BELOW_MIN)),
        (271, Rounding.DOWN, (0, Note.LEG_ABOVE_MAX)),
    ],
)
def test_lots_convert_exactly_or_as_the_rule_rounds(
    steps: int, rounding: Rounding, made: tuple[int, Note]
) -> None:
    assert own_volume(steps, Fraction(10, 3), rounding, SMALL) == made


@pytest.mark.parametrize(("digits", "points"), [(5, 108_015), (4, 10_802), (6, 1_080_150)])
def test_prices_compare_in_the_legs_own_digits(digits: int, points: int) -> None:
    assert own_points(108_015, HOME, symbol("X", digits, "EUR", "USD")) == points


def test_a_part_less_than_the_servers_step_stays_open_and_goes_with_the_last_close() -> None:
    world = mirror_world(2, elsewhere=2, mode="auto")
    world.place("0.20", "USDJPY", rule=EQUAL)
    for leg in legs_of(world):
        fill(world, leg, 150_010)
    block = only_block(world)
    assert block.legs is not None
    assert block.legs.own_open.tolist() == [3, 3]  # 0.10 lots in steps of 0.03: 0.09
    lots = Decimal("0.02")
    body = world.tell(
        c.CloseBlock(command_id=world.new_id(), block_id=block.block_id, volume_lots=lots)
    )
    assert code_of(body) == "close_rounds_to_zero"
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id))
    assert [leg.own_steps for leg in legs_of(world)] == [3, 3]
    for leg in legs_of(world):
        fill(world, leg, 150_000, deal=f"c{leg.ordinal}")
    assert world.book.blocks == {}
    assert all(not e.long_steps.any() for e in world.book.exposures.values())


def test_a_trade_from_outside_is_followed_where_all_are_legs() -> None:
    world = mirror_world(3)
    body = world.outside("EURUSD", "buy", 90)
    assert kinds(body) == ["BlockPlaced", "BlockAllocated", "LegsPlanned"]
    for leg in legs_of(world):
        fill(world, leg, 108_005)
    body = world.outside("EURUSD", "sell", 90)
    assert kinds(body) == ["CloseRequested"]
    world.settle()
    assert world.book.blocks == {}


def test_a_trade_from_outside_is_shared_by_the_booked_alone_where_some_are_legs() -> None:
    world = mirror_world(4, elsewhere=2, mode="auto")
    body = world.outside("EURUSD", "buy", 90)
    assert allocated(body).account_ids.tolist() == [3, 4]
    assert kinds(body) == ["BlockPlaced", "BlockAllocated", "BlockFilled"]
    assert int(allocated(body).steps.sum()) == 90


def test_block_mode_is_refused_where_the_server_cannot_and_auto_mirrors_there() -> None:
    world = mirror_world(2, mode="auto")
    home = c.VenueInfo(server_id=0, name="plain", allocates=False)
    world.tell(c.DefineVenue(command_id=world.new_id(), venue=home))
    body = world.tell(c.SetExecution(command_id=world.new_id(), mode="block"))
    assert code_of(body) == "block_allocation_unsupported"
    world.place("1.00", rule=EQUAL)
    assert len(legs_of(world)) == 2
    assert only_block(world).legs is not None
    assert np.all(only_block(world).legs.status == Leg.SENT)  # type: ignore[union-attr]


def test_a_replaced_map_holds_for_the_next_block_and_is_replayed() -> None:
    world = mirror_world(2, elsewhere=1, mode="auto")
    other = c.VenueInfo(
        server_id=2,
        name="pro",
        allocates=False,
        names={"USDJPY": "USDJPY.pro"},
        symbols=PRO.symbols,
    )
    world.tell(c.DefineVenue(command_id=world.new_id(), venue=other))
    world.place("1.00", rule=EQUAL)
    world.settle()
    assert only_block(world).legs.codes == {0: "symbol_not_mapped"}  # type: ignore[union-attr]
    assert same(replay(world.records), world.book)
    assert same(verify(world), world.book)
