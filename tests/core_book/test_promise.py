"""A preview's token: executed as previewed, or refused with what changed."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import msgspec
import pytest

from apps.core.allocation import Method, Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.decide import preview
from apps.core.book.records import Body, refusal
from apps.core.book.terms import LinkTerms
from tests.core_book.test_book import verify
from tests.core_book.test_terms import rich
from tests.core_book.world import World, same


def previewed(world: World, **over: object) -> tuple[ev.BlockAllocated, c.PlaceBlock]:
    """What was seen, and the command that asks for exactly that."""
    fields: dict[str, object] = {"volume_lots": Decimal("3.33"), **over}
    command = c.PlaceBlock(command_id=world.new_id(), symbol="EURUSD", side="buy", **fields)  # type: ignore[arg-type]
    seen, _, token = preview(world.book, command, world.inputs())
    return seen, msgspec.structs.replace(command, token=token)


def moved(points: int) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.mid["EURUSD"] += points

    return change


def told(make: Callable[[World], c.AnyStimulus]) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.tell(make(world))
        world.settle()

    return change


def later(world: World) -> None:
    world.now_ms += 30_001


def test_the_shares_are_the_previewed_ones_although_the_market_has_moved_a_little() -> None:
    world = rich(9)
    world.place("50.00")
    world.settle()
    seen, command = previewed(world)
    world.mid["EURUSD"] += 15
    world.mid["USDJPY"] += 900  # weighs yen accounts otherwise
    world.now_ms += 20_000
    body = world.tell(command)
    assert refusal(body) is None
    placed = body.events[1]
    assert isinstance(placed, ev.BlockAllocated)
    assert placed.steps.tolist() == seen.steps.tolist()
    world.settle()
    assert same(verify(world), world.book)


CHANGES: dict[str, tuple[str, Callable[[World], None]]] = {
    "quote": ("preview_quote_moved", moved(25)),
    "time": ("preview_expired", later),
    "rule": (
        "preview_rule_changed",
        told(lambda w: c.SetRule(command_id=w.new_id(), rule=Rule(method=Method.EQUAL))),
    ),
    "terms": (
        "preview_accounts_changed",
        told(
            lambda w: c.SetLinkTerms(
                command_id=w.new_id(), account_id=2, terms=LinkTerms(max_open_lots=Decimal(1))
            )
        ),
    ),
    "pause": (
        "preview_accounts_changed",
        told(lambda w: c.SetLinkStatus(command_id=w.new_id(), account_id=2, status="paused")),
    ),
    "leave": (
        "preview_accounts_changed",
        told(lambda w: c.UnlinkAccount(command_id=w.new_id(), account_id=2)),
    ),
    "money": (
        "preview_accounts_changed",
        told(
            lambda w: c.AdjustBalance(
                command_id=w.new_id(), account_id=2, kind="withdrawal", amount_minor=90_000_000
            )
        ),
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_changed_is_said_and_nothing_is_placed(what: str) -> None:
    code, change = CHANGES[what]
    world = rich()
    _, command = previewed(world)
    change(world)
    assert code_of(world.tell(command)) == code
    assert world.book.blocks == {}


def test_a_token_is_good_for_its_own_order_alone() -> None:
    world = rich()
    _, command = previewed(world)
    other = msgspec.structs.replace(command, volume_lots=Decimal("3.34"))
    assert code_of(world.tell(other)) == "preview_order_changed"
    broken = msgspec.structs.replace(command, command_id=world.new_id(), token="AAAA")
    assert code_of(world.tell(broken)) == "preview_token_invalid"


def code_of(body: Body) -> str:
    refused = refusal(body)
    assert refused is not None
    return refused.code
