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
from apps.core.book.records import refusal
from apps.core.book.terms import LinkTerms, terms_from_json
from apps.core.errors import InputError
from tests.core_book.calm import an_open_block, calm, close, companion_of, dollars, shares
from tests.core_book.world import World

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


def test_blocks_that_close_each_other_or_turn_take_their_companions_along() -> None:
    world = calm()
    buy, sell = an_open_block(world, "8.00"), an_open_block(world, "4.00", side="sell")
    world.link(9, "proportional_at_market", info=dollars(9, 8_000_000))
    world.settle()
    long, short = companion_of(world, buy), companion_of(world, sell)
    held = int(long.open_steps.sum())
    part = Decimal(400) / 800
    world.tell(
        c.CloseBy(command_id=world.new_id(), block_id=buy.block_id, other_block_id=sell.block_id)
    )
    world.settle()
    assert {sell.block_id, short.block_id}.isdisjoint(world.book.blocks)
    left = int(long.open_steps.sum())
    assert abs(left - held * (1 - part)) <= 3
    close(world, buy, fraction=Decimal("0.5"))
    world.settle()
    assert abs(int(long.open_steps.sum()) * 2 - left) <= 1
    world.tell(c.ReverseBlock(command_id=world.new_id(), block_id=buy.block_id))
    world.settle()
    assert {buy.block_id, long.block_id}.isdisjoint(world.book.blocks)
    assert world.book.exposures["EURUSD"].long_steps.sum() == 0


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
