"""Trades from outside on the master: divided, closed against what is open, proved like all."""

from __future__ import annotations

from decimal import Decimal

from apps.core.allocation import Method, Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.state import BookingIntent
from apps.core.book.terms import LinkTerms
from tests.core_book.test_book import verify
from tests.core_book.test_terms import rich
from tests.core_book.world import replay, same


def test_a_trade_from_outside_becomes_a_block_with_tickets_and_no_order_is_sent() -> None:
    world = rich()
    body = world.outside("EURUSD", "buy", 333)
    (block,) = world.book.blocks.values()
    assert (block.status, int(block.open_steps.sum())) == ("open", 333)
    assert [type(i) for i in world.book.intents.values()] == [BookingIntent]
    placed = body.events[0]
    assert isinstance(placed, ev.BlockPlaced)
    assert placed.origin == "outside"
    world.settle()
    assert same(verify(world), world.book)
    assert same(replay(world.records), world.book)


def test_the_other_side_closes_the_oldest_first_and_opens_what_is_left() -> None:
    world = rich()
    world.outside("EURUSD", "buy", 100)
    world.place("0.50", rule=Rule(method=Method.EQUAL))
    world.settle()
    body = world.outside("EURUSD", "sell", 120)
    assert body.result["closed_steps"] == 120
    (left,) = world.book.blocks.values()
    assert int(left.open_steps.sum()) == 30
    world.settle()
    world.outside("EURUSD", "sell", 50)
    (turned,) = world.book.blocks.values()
    assert (turned.side, int(turned.open_steps.sum())) == ("sell", 20)
    world.settle()
    assert same(verify(world), world.book)
    for account, balance in world.server.balance.items():
        assert int(world.book.members.balance_minor[world.book.index[account]]) == balance


def test_what_one_account_may_not_take_goes_to_the_others() -> None:
    world = rich()
    world.tell(c.SetRule(command_id=world.new_id(), rule=Rule(method=Method.LOT_FIXED)))
    world.tell(
        c.SetLinkTerms(
            command_id=world.new_id(), account_id=1, terms=LinkTerms(max_open_lots=Decimal("0.01"))
        )
    )
    world.outside("EURUSD", "buy", 400)
    (block,) = world.book.blocks.values()
    assert int(block.open_steps.sum()) == 400
    assert int(block.open_steps[0]) == 1


def test_nobody_to_take_it_is_said_and_stays_on_the_master() -> None:
    world = rich(2)
    for account in (1, 2):
        world.tell(c.SetLinkStatus(command_id=world.new_id(), account_id=account, status="paused"))
    body = world.outside("EURUSD", "buy", 10)
    rejected = body.events[1]
    assert isinstance(rejected, ev.BlockRejected)
    assert rejected.code == "nothing_allocated"
    assert world.book.blocks == {}
