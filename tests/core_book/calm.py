"""A calm world, whose server fills everything at once, and what tests of links do in it."""

from __future__ import annotations

from typing import Any

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.records import Body
from apps.core.book.state import Block
from tests.core_book.world import World


def calm(seed: int = 1, accounts: int = 6) -> World:
    """A world whose server fills everything at once."""
    return World(seed, accounts=accounts, moods=False)


def dollars(account_id: int, balance_minor: int, leverage: int = 200) -> c.AccountInfo:
    return c.AccountInfo(
        account_id=account_id,
        login=10_000 + account_id,
        currency="USD",
        currency_digits=2,
        leverage=leverage,
        balance_minor=balance_minor,
    )


def an_open_block(world: World, lots: str = "6.00", **over: Any) -> Block:
    body = world.place(lots, **over)
    world.settle()
    return world.book.blocks[body.stimulus.command_id]


def shares(body: Body) -> list[ev.JoinShare]:
    (decided,) = [e for e in body.events if isinstance(e, ev.JoinDecided)]
    return decided.shares


def companion_of(world: World, parent: Block) -> Block:
    (found,) = [b for b in world.book.blocks.values() if b.parent_id == parent.block_id]
    return found


def close(world: World, block: Block, **part: Any) -> None:
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id, **part))
