"""Leaving when flat, at the market or with tickets kept; single tickets taken out; waiting."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import encode
from apps.core.book.records import refusal
from apps.core.book.state import ACTIVE, DETACHED, LEAVING, WAITING
from tests.core_book.calm import an_open_block, calm, close, dollars

# -- when flat


def test_who_waits_is_activated_in_the_record_that_makes_the_book_flat() -> None:
    world = calm()
    first, second = an_open_block(world), an_open_block(world)
    body = world.link(9, "when_flat", info=dollars(9, 8_000_000))
    at = world.book.index[9]
    assert body.result["status"] == "waiting"
    assert world.book.members.status[at] == WAITING
    world.place("1.00")
    assert (
        9
        not in next(
            e for e in world.bodies[-1].events if isinstance(e, ev.BlockPlaced)
        ).participants
    )
    world.settle()
    close(world, first)
    close(world, second)
    world.settle()
    assert world.book.members.status[at] == WAITING
    world.tell(c.CloseAll(command_id=world.new_id()))
    world.settle()
    assert world.book.members.status[at] == ACTIVE
    (told,) = [e for b in world.bodies for e in b.events if isinstance(e, ev.MembersActivated)]
    assert told.account_ids.tolist() == [9]
    assert any(told is e for e in next(
        b for b in world.bodies if any(e is told for e in b.events)
    ).events)  # fmt: skip


def test_who_leaves_when_flat_keeps_its_share_and_is_detached_with_the_last_close() -> None:
    world = calm()
    block = an_open_block(world)
    world.place("1.00")
    body = world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=2, mode="when_flat"))
    at = world.book.index[2]
    assert body.result["status"] == "leaving"
    world.settle()
    assert world.book.members.status[at] == LEAVING, "what was on its way is held too"
    held = world.book.exposures["EURUSD"].long_steps[at]
    world.place("3.00")
    world.settle()
    assert world.book.exposures["EURUSD"].long_steps[at] == held
    again = world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=2, mode="when_flat"))
    assert refusal(again).code == "already_detaching"  # type: ignore[union-attr]
    close(world, block)
    world.settle()
    assert world.book.members.status[at] == LEAVING
    world.tell(c.CloseAll(command_id=world.new_id()))
    world.settle()
    assert world.book.members.status[at] == DETACHED


# -- tickets in their owner's care


def test_kept_tickets_leave_blocks_and_exposure_and_come_back_with_the_account() -> None:
    world = calm()
    block = an_open_block(world, "6.00")
    at = world.book.index[3]
    mine = int(block.open_steps[block.members == at].sum())
    others = {int(m): int(s) for m, s in zip(block.members, block.open_steps, strict=True)}
    body = world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=3, mode="keep_tickets"))
    assert body.result["status"] == "detached"
    assert world.book.members.status[at] == DETACHED
    assert world.book.own_tickets == {}
    assert world.book.exposures["EURUSD"].long_steps[at] == 0
    left = world.book.blocks[block.block_id]
    after = {int(m): int(s) for m, s in zip(left.members, left.open_steps, strict=True)}
    assert after == {**others, at: 0}
    close(world, left)
    world.settle()
    assert world.book.blocks == {}
    world.link(3)
    assert world.book.exposures["EURUSD"].long_steps[at] == mine
    (ticket,) = world.book.own_tickets
    world.close_own(ticket, mine)
    assert world.book.own_tickets == {}
    assert world.book.exposures["EURUSD"].long_steps[at] == 0
    world.server.compare()


def test_a_detached_ticket_rebases_its_block_and_touches_nobody_else() -> None:
    world = calm()
    block = an_open_block(world, "6.00")
    close(world, block, fraction=Decimal("0.3"))
    world.settle()
    at = world.book.index[2]
    ticket = int(block.ticket_ids[block.members == at][0])
    others = block.open_steps[block.members != at].copy()
    world.tell(
        c.DetachTickets(
            command_id=world.new_id(), account_id=2, ticket_ids=[ticket], mode="keep_tickets"
        )
    )
    assert np.array_equal(block.open_steps[block.members != at], others)
    assert np.array_equal(block.base_steps, block.open_steps)
    assert not block.given_steps.any()
    assert world.book.members.status[at] == ACTIVE
    body = world.tell(
        c.DetachTickets(command_id=world.new_id(), account_id=3, mode="close_at_market")
    )
    assert body.result["tickets"] == 1
    world.settle()
    assert block.open_steps[block.members == world.book.index[3]].sum() == 0
    assert world.book.members.status[world.book.index[3]] == ACTIVE


def test_the_last_ticket_taken_out_closes_its_block() -> None:
    world = calm(accounts=1)
    block = an_open_block(world, "1.00")
    body = world.tell(c.DetachTickets(command_id=world.new_id(), account_id=1, mode="keep_tickets"))
    assert [type(e) for e in body.events] == [ev.TicketsReleased, ev.BlockClosed]
    assert block.block_id not in world.book.blocks


DETACH_REFUSALS: dict[str, dict[str, Any]] = {
    "ticket_not_open": {"ticket_ids": [123]},
    "account_not_linked": {"account_id": 77},
    "tickets_closing": {"mode": "keep_tickets", "account_id": 2},
    "close_exceeds_open": {"account_id": 2},
    "nothing_to_detach": {"account_id": 9},
}


@pytest.mark.parametrize("code", sorted(DETACH_REFUSALS))
def test_bad_detachings_are_refused_by_code_and_change_nothing(code: str) -> None:
    world = calm()
    an_open_block(world)
    world.link(9)
    world.tell(c.DetachTickets(command_id=world.new_id(), account_id=2))
    before = encode(world.book)
    fields = {"account_id": 1, **DETACH_REFUSALS[code]}
    refused = refusal(world.tell(c.DetachTickets(command_id=world.new_id(), **fields)))
    assert refused is not None
    assert refused.code == code
    assert encode(world.book) == before


def test_tickets_cannot_be_kept_while_an_order_with_a_share_is_on_its_way() -> None:
    world = calm()
    world.place("1.00")
    body = world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=2, mode="keep_tickets"))
    assert refusal(body).code == "order_on_its_way"  # type: ignore[union-attr]
