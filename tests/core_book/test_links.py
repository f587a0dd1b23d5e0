"""Joining, leaving and detaching in the pure book: what each mode gives, to the step."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pytest

from apps.core.allocation import Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import encode, vec
from apps.core.book.decide import decide
from apps.core.book.quoting import quote_join
from apps.core.book.records import Body, refusal
from apps.core.book.state import ACTIVE, DETACHED, LEAVING, WAITING, Block
from apps.core.book.terms import LinkTerms, terms_from_json
from apps.core.errors import InputError
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


# -- what a joining account takes over


def test_by_weight_the_joiner_gets_as_much_per_equity_as_the_holders_have() -> None:
    world = calm()
    block = an_open_block(world, "6.00")
    before = encode(block)
    body = world.link(9, "proportional_at_market", info=dollars(9, 5_000_000))
    share = shares(body)[0]
    allocated = next(e for e in body.events if isinstance(e, ev.BlockAllocated))
    first = next(
        e for b in world.bodies for e in b.events
        if isinstance(e, ev.BlockAllocated) and e.block_id == block.block_id
    )  # fmt: skip
    world.settle()
    assert encode(world.book.blocks[block.block_id]) == before, "nobody else is touched"
    per_weight = Decimal(600) / int(first.weights[first.steps > 0].sum())
    assert abs(share.steps - per_weight * 5_000_000) <= 1
    assert allocated.order_steps == share.steps
    companion = companion_of(world, block)
    assert (companion.side, companion.symbol) == (block.side, block.symbol)
    assert companion.open_steps.tolist() == [share.steps]


@pytest.mark.parametrize(
    ("method", "terms", "expected"),
    [
        ("equal", {}, 100),
        ("percent", {"parameter": "10"}, 60),
        ("ratio", {"parameter": "0.5"}, 300),
        ("lot_fixed", {"lots": "0.77"}, 77),
        ("lot_weights", {"lots": "2.00"}, 200),
    ],
)
def test_every_rule_gives_the_joiner_what_it_would_give_it_now(
    method: Any, terms: dict[str, str], expected: int
) -> None:
    world = calm(accounts=0)
    holder = LinkTerms(parameter=Decimal(10), lots=Decimal(1))
    for account in range(1, 7):
        world.link(account, info=dollars(account, 90_000_000), terms=holder)
    lots = "6.00"
    block = an_open_block(world, lots, rule=Rule(method=method))
    own = terms_from_json(terms)
    body = world.link(9, "proportional_at_market", info=dollars(9, 90_000_000), terms=own)
    assert shares(body)[0].steps == expected
    world.settle()
    assert companion_of(world, block).open_steps.tolist() == [expected]


@pytest.mark.parametrize("method", ["equal", "percent", "ratio", "lot_fixed"])
def test_of_a_block_half_closed_half_is_taken_over(method: Any) -> None:
    world = calm(accounts=0)
    terms = LinkTerms(parameter=Decimal(10), lots=Decimal(1))
    for account in range(1, 7):
        world.link(account, info=dollars(account, 90_000_000), terms=terms)
    block = an_open_block(world, "6.00", rule=Rule(method=method))
    each = int(block.open_steps[0])
    close(world, block, fraction=Decimal("0.5"))
    world.settle()
    body = world.link(9, "proportional_at_market", info=dollars(9, 90_000_000), terms=terms)
    assert shares(body)[0].steps == each // 2


def test_only_losing_blocks_are_taken_over_and_the_entry_is_better_than_the_groups() -> None:
    world = calm()
    buy, sell = an_open_block(world), an_open_block(world, side="sell")
    world.mid["EURUSD"] -= 200
    body = world.link(9, "only_losing", info=dollars(9, 5_000_000))
    told = {share.parent_id: share for share in shares(body)}
    assert told[buy.block_id].steps > 0
    assert (told[sell.block_id].steps, told[sell.block_id].code) == (0, "not_losing")
    world.settle()
    assert companion_of(world, buy).open_points < buy.open_points


def test_margin_is_counted_over_all_that_is_taken_over() -> None:
    world = calm()
    for _ in range(4):
        an_open_block(world, "60.00")
    body = world.link(9, "proportional_at_market", info=dollars(9, 4_000_000, leverage=1))
    found = shares(body)
    assert any(share.code in ("cap_margin", "cap_below_min") for share in found)
    world.settle()
    at = world.book.index[9]
    taken = int(world.book.exposures["EURUSD"].long_steps[at])
    assert taken == sum(share.steps for share in found)
    assert taken * 108_000 < 4_000_000, "not beyond what its money carries"


def test_an_order_still_on_its_way_is_not_taken_over_and_terms_hold() -> None:
    world = calm()
    an_open_block(world, "3.00")
    world.place("2.00", "USDJPY")
    terms = LinkTerms(max_order_lots=Decimal("0.05"))
    body = world.link(9, "proportional_at_market", info=dollars(9, 50_000_000), terms=terms)
    first, second = shares(body)
    assert (first.steps, first.code) == (5, "cap_account")
    assert (second.steps, second.code) == (0, "not_open")


def test_joining_waits_for_nothing_when_a_quote_is_stale() -> None:
    world = calm()
    an_open_block(world)
    inputs = world.inputs(dollars(9, 5_000_000))
    inputs.now_ms += 60_000
    command = c.LinkAccount(command_id=world.new_id(), account_id=9, mode="proportional_at_market")
    refused = decide(world.book, command, inputs).events[0]
    assert isinstance(refused, ev.CommandRefused)
    assert refused.code == "stale_quote"


# -- companions


def test_a_companion_closes_in_the_same_part_without_drift() -> None:
    world = calm()
    block = an_open_block(world, "10.00")
    world.link(9, "proportional_at_market", info=dollars(9, 3_000_000))
    world.settle()
    companion = companion_of(world, block)
    held = int(companion.open_steps.sum())
    for done in range(1, 100):
        close(world, block, volume_lots=Decimal("0.10"))
        world.settle()
        left = int(companion.open_steps.sum()) if companion.block_id in world.book.blocks else 0
        exact = Decimal(held) * (1000 - 10 * done) / 1000
        assert abs(left - exact) <= Decimal("0.5")
    close(world, block)
    world.settle()
    assert world.book.blocks == {}


def test_a_leaver_is_no_part_of_what_a_companion_follows() -> None:
    world = calm()
    block = an_open_block(world, "10.00")
    world.link(9, "proportional_at_market", info=dollars(9, 8_000_000))
    world.settle()
    companion = companion_of(world, block)
    held = int(companion.open_steps.sum())
    world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=2))
    world.settle()
    assert int(companion.open_steps.sum()) == held
    close(world, block, fraction=Decimal("0.5"))
    world.settle()
    assert int(companion.open_steps.sum()) == held - (held + 1) // 2


def test_what_the_parent_closed_meanwhile_is_closed_as_soon_as_the_companion_opens() -> None:
    world = calm()
    block = an_open_block(world, "10.00")
    body = world.link(9, "proportional_at_market", info=dollars(9, 8_000_000))
    held = shares(body)[0].steps
    close(world, block, fraction=Decimal("0.5"))
    world.settle()
    assert int(companion_of(world, block).open_steps.sum()) == held - (held + 1) // 2
    second = world.link(10, "proportional_at_market", info=dollars(10, 8_000_000))
    assert shares(second)[0].steps > 0
    close(world, block)
    world.settle()
    assert world.book.blocks == {}, "also a companion whose parent is gone when it opens"


def test_stops_of_a_block_are_its_companions_and_an_outside_close_takes_them_along() -> None:
    world = calm()
    block = an_open_block(world, "10.00")
    world.link(9, "proportional_at_market", info=dollars(9, 8_000_000))
    world.settle()
    stop = Decimal(world.mid["EURUSD"] - 300).scaleb(-5)
    world.tell(c.AmendBlock(command_id=world.new_id(), block_id=block.block_id, stop_loss=stop))
    assert companion_of(world, block).sl_points == block.sl_points is not None
    world.outside("EURUSD", "sell", 1000)
    world.settle()
    assert world.book.blocks == {}


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


# -- quotes and their tokens


def quoted(world: World, account: c.AccountInfo, mode: Any = "proportional_at_market") -> Any:
    command = c.LinkAccount(command_id=UUID(int=0), account_id=account.account_id, mode=mode)
    return quote_join(world.book, command, world.inputs(account))


def test_a_quote_writes_nothing_and_is_what_joining_does() -> None:
    world = calm()
    an_open_block(world)
    an_open_block(world, "2.00", name="USDJPY", side="sell")
    account, before = dollars(9, 5_000_000), encode(world.book)
    quote = quoted(world, account)
    assert encode(world.book) == before
    euro = quote.costs[0]
    assert euro.spread_minor == euro.taken.steps * 10  # 10 points of 0.01 lots are 10 cents
    assert (quote.equity_minor, quote.free_minor) == (5_000_000, 5_000_000)
    body = world.link(9, "proportional_at_market", info=account, token=quote.token)
    assert [one.steps for one in shares(body)] == [cost.taken.steps for cost in quote.costs]
    assert all(one.steps for one in shares(body))


def test_a_quote_that_no_longer_holds_is_refused_by_code() -> None:
    world = calm()
    block = an_open_block(world)
    account = dollars(9, 5_000_000)
    token = quoted(world, account).token
    later = msgspec.structs.replace(account, balance_minor=4_000_000)

    def code(**over: Any) -> str:
        given = {"info": account, "token": token, **over}
        mode = given.pop("mode", "proportional_at_market")
        refused = refusal(world.link(9, mode, **given))
        assert refused is not None
        return refused.code

    assert code(info=later) == "preview_accounts_changed"
    assert code(mode="only_losing") == "preview_order_changed"
    assert code(token="nonsense") == "preview_token_invalid"
    world.mid["EURUSD"] += 21
    assert code() == "preview_quote_moved"
    world.mid["EURUSD"] -= 21
    world.now_ms += 31_000
    assert code() == "preview_expired"
    token = quoted(world, account).token
    close(world, block, fraction=Decimal("0.5"))
    world.settle()
    assert code(token=token) == "preview_accounts_changed"


def test_there_is_nothing_to_quote_in_modes_that_take_nothing_over() -> None:
    world = calm()
    with pytest.raises(InputError) as caught:
        quoted(world, dollars(9, 1_000), "when_flat")
    assert caught.value.code == "nothing_to_quote"


# -- many at once


def test_many_join_in_one_record_and_the_others_are_named() -> None:
    world = calm()
    body = world.link_many([3, 20, 21, 22])
    assert body.result["linked"] == 3
    assert body.result["refused"] == [{"account_id": 3, "code": "already_linked"}]
    assert sum(isinstance(e, ev.MembersLinked) for e in body.events) == 1
    block = an_open_block(world)
    assert {20, 21, 22} <= set(world.book.members.account_ids[block.members].tolist())


def test_members_added_at_once_are_the_members_added_one_by_one() -> None:
    one, many = calm(7, accounts=3), calm(7, accounts=3)
    for world in (one, many):
        an_open_block(world)
        world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=2))
        world.settle()
    infos = [many.info(account) for account in (2, 8, 9)]
    for info in infos:
        one.link(info.account_id, info=info)
    body = many.link_many([2, 8, 9], infos=infos)
    assert body.result["linked"] == 3
    for name in one.book.members.__struct_fields__:
        assert np.array_equal(getattr(one.book.members, name), getattr(many.book.members, name))
    assert encode(one.book.exposures) == encode(many.book.exposures)


@pytest.mark.parametrize(
    ("ids", "mode", "code"),
    [
        ([5, 4], "new_trades_only", "accounts_unordered"),
        ([4, 4], "new_trades_only", "accounts_unordered"),
        ([], "new_trades_only", "accounts_unordered"),
        ([4], "only_losing", "mode_not_bulk"),
    ],
)
def test_bad_bulk_joinings_are_refused_by_code(ids: list[int], mode: Any, code: str) -> None:
    world = calm()
    table = c.AccountTable(
        **{name: vec() for name in ("account_ids", "logins", "currency", "leverage")},
        balance_minor=vec(),
        holds=vec(),
        currencies=[],
        currency_digits=[],
    )
    command = c.LinkAccounts(command_id=world.new_id(), account_ids=vec(ids), mode=mode)
    assert refusal(world.tell(command, accounts=table)).code == code  # type: ignore[union-attr]


# -- money


def test_a_flow_tells_its_time_its_amount_and_the_equity_before_it() -> None:
    world = calm()
    an_open_block(world)
    world.tick()
    world.tell(
        c.AdjustBalance(
            command_id=world.new_id(), account_id=1, kind="deposit", amount_minor=12_345
        )
    )
    at, carry = world.book.index[1], encode(world.book.carries)
    balance = int(world.book.members.balance_minor[at])
    world.settle()
    settled = world.bodies[-1].events[0]
    assert isinstance(settled, ev.BalanceSettled)
    assert (settled.amount_minor, settled.at_ms) == (12_345, world.now_ms)
    assert settled.equity_minor is not None
    assert settled.equity_minor != balance, "what is open counts"
    assert int(world.book.members.balance_minor[at]) == balance + 12_345
    assert encode(world.book.carries) == carry


def test_money_that_shares_on_their_way_will_bind_is_not_free() -> None:
    world = calm(accounts=0)
    world.link(1, info=dollars(1, 100_000))
    world.place("1.00")
    command = c.AdjustBalance(
        command_id=world.new_id(), account_id=1, kind="withdrawal", amount_minor=99_000
    )
    refused = refusal(world.tell(command))
    assert refused is not None
    assert refused.code == "insufficient_funds"
