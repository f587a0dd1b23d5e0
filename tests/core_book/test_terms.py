"""Rules, terms and stops in the pure book: every method reaches the block, every cap says so."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from apps.core.allocation import Method, Reason, Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import encode
from apps.core.book.decide import preview
from apps.core.book.records import Body, Record, refusal
from apps.core.book.terms import LinkTerms, terms_as_json, terms_from_json
from apps.core.book.verify import Verifier
from apps.core.errors import InputError
from tests.core_book.test_book import verify
from tests.core_book.world import World, replay, same


def set_terms(world: World, account_id: int, **terms: Any) -> None:
    world.tell(
        c.SetLinkTerms(command_id=world.new_id(), account_id=account_id, terms=LinkTerms(**terms))
    )


def allocated(body: Body) -> ev.BlockAllocated:
    return next(e for e in body.events if isinstance(e, ev.BlockAllocated))


def code_of(body: Body) -> str:
    refused = refusal(body)
    assert refused is not None, body.events
    return refused.code


def rich(accounts: int = 4) -> World:
    """Members with money enough for no margin to bite."""
    world = World(21, accounts=accounts, moods=False)
    for account_id in range(1, accounts + 1):
        world.tell(
            c.AdjustBalance(
                command_id=world.new_id(),
                account_id=account_id,
                kind="deposit",
                amount_minor=500_000_000,
            )
        )
    world.settle()
    return world


SHARES: dict[Method, list[int]] = {
    Method.EQUAL: [25, 25, 25, 25],
    Method.PERCENT: [10, 20, 30, 40],
    Method.LOT_FIXED: [11, 22, 33, 44],
    Method.LOT_WEIGHTS: [10, 20, 30, 40],
    Method.RATIO: [1000, 2000, 3000, 4000],
}


@pytest.mark.parametrize("method", SHARES)
def test_a_method_reads_what_the_links_were_given(method: Method) -> None:
    world = rich()
    for account in range(1, 5):
        set_terms(world, account, parameter=Decimal(10 * account), lots=Decimal(11 * account) / 100)
    event = allocated(world.place("1.00", rule=Rule(method=method, carry_forward=False)))
    assert event.steps.tolist() == SHARES[method]
    assert event.order_steps == sum(SHARES[method])


def test_risk_percent_loses_what_was_said_at_the_stop_and_needs_one() -> None:
    world = rich()
    for account in range(1, 5):
        set_terms(world, account, parameter=Decimal(1))
    rule = Rule(method=Method.RISK_PERCENT)
    assert code_of(world.place("1.00", rule=rule)) == "stop_loss_required"
    ask = world.quotes()["EURUSD"].ask
    event = allocated(world.place("1.00", rule=rule, stop_loss=Decimal(ask - 500).scaleb(-5)))
    for steps, equity in zip(event.steps.tolist(), event.weights.tolist(), strict=True):
        loss_minor = steps * 500  # 0.01 lot of EURUSD: a cent a point
        assert loss_minor <= equity // 100 < loss_minor + 500 + 1


def test_equity_percent_commits_that_share_as_margin() -> None:
    world = rich()
    world.tell(
        c.SetRule(
            command_id=world.new_id(),
            rule=Rule(method=Method.EQUITY_PERCENT),
            defaults=LinkTerms(parameter=Decimal(5)),
        )
    )
    event = allocated(world.place("1.00"))
    assert event.steps.all()
    for at in range(4):
        unit = int(event.unit_costs[at])
        money = int(event.weights[at]) * event.unit_cost_scale * 5 // 100
        assert int(event.steps[at]) == money // unit


def test_a_ratio_to_the_masters_money_needs_to_know_it() -> None:
    world = rich()
    event = allocated(world.place("1.00", rule=Rule(method=Method.RATIO_BALANCE)))
    assert event.master_money_minor == 5_000_000
    want = [100 * int(w) // 5_000_000 for w in event.weights]
    assert event.steps.tolist() == want


CAPS: list[tuple[dict[str, Any], Reason, int]] = [
    ({"max_order_lots": Decimal("0.07")}, Reason.CAP_ACCOUNT, 7),
    ({"max_open_lots": Decimal("0.30")}, Reason.CAP_OPEN_LOTS, 5),
    ({"max_symbol_lots": {"EURUSD": Decimal("0.28")}}, Reason.CAP_SYMBOL, 3),
    ({"symbols": ["GBPUSD"]}, Reason.SYMBOL_NOT_ALLOWED, 0),
    ({"max_leverage": Decimal("0.0001")}, Reason.CAP_BELOW_MIN, 0),
]


@pytest.mark.parametrize(("terms", "reason", "steps"), CAPS)
def test_a_cap_clips_one_account_says_why_and_raises_nobody_else(
    terms: dict[str, Any], reason: Reason, steps: int
) -> None:
    world = rich()
    rule = Rule(method=Method.EQUAL, carry_forward=False)
    world.place("1.00", rule=rule)  # 25 each: some of it open before, some only on its way
    set_terms(world, 2, **terms)
    event = allocated(world.place("1.00", rule=rule))
    if reason is Reason.SYMBOL_NOT_ALLOWED:
        assert event.steps.tolist() == [34, 0, 33, 33]
    else:
        assert event.steps.tolist() == [25, steps, 25, 25]
    assert event.reasons[1] == reason


def test_paused_accounts_get_nothing_new_and_close_with_the_others() -> None:
    world = rich()
    rule = Rule(method=Method.EQUAL)
    first = world.place("1.00", rule=rule).stimulus.command_id
    world.settle()
    for account, status in ((1, "paused"), (2, "close_only")):
        world.tell(
            c.SetLinkStatus(
                command_id=world.new_id(),
                account_id=account,
                status=status,  # type: ignore[arg-type]
            )
        )
    event = allocated(world.place("1.00", rule=rule))
    assert event.steps.tolist() == [0, 0, 50, 50]
    assert event.reasons.tolist()[:2] == [Reason.PAUSED, Reason.CLOSE_ONLY]
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=first))
    world.settle()
    assert first not in world.book.blocks


def test_lots_set_by_hand_replace_one_accounts_share_of_one_order() -> None:
    world = rich()
    rule = Rule(method=Method.EQUAL, carry_forward=False)
    event = allocated(world.place("1.00", rule=rule, manual_lots={3: Decimal("0.60")}))
    assert event.steps[2] == 60
    assert event.reasons[2] == Reason.MANUAL
    assert allocated(world.place("1.00", rule=rule)).steps[2] == 25
    body = world.place("1.00", rule=rule, manual_lots={99: Decimal("0.60")})
    assert code_of(body) == "account_not_linked"


def test_the_books_rule_holds_for_orders_that_bring_none_and_preview_is_the_same() -> None:
    world = rich()
    rule = Rule(method=Method.LOT_FIXED)
    defaults = LinkTerms(lots=Decimal("0.05"))
    world.tell(c.SetRule(command_id=world.new_id(), rule=rule, defaults=defaults))
    set_terms(world, 4, lots=Decimal("0.09"))
    command = c.PlaceBlock(
        command_id=world.new_id(), symbol="EURUSD", side="buy", volume_lots=Decimal(1)
    )
    seen, _, _ = preview(world.book, command, world.inputs())
    body = world.tell(command)
    assert encode(seen) == encode(allocated(body))
    assert allocated(body).steps.tolist() == [5, 5, 5, 9]
    assert body.events[0].rule == rule  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "data",
    [
        {"max_lots": "1"},
        {"parameter": "-1"},
        {"lots": "NaN"},
        {"max_leverage": "0"},
        {"symbols": "EURUSD"},
        {"max_symbol_lots": {"EURUSD": "x"}},
    ],
)
def test_bad_terms_are_refused_by_code(data: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        terms_from_json(data)
    assert caught.value.code == "terms_invalid"


def test_terms_survive_json() -> None:
    terms = LinkTerms(parameter=Decimal("1.5"), symbols=["EURUSD"])
    assert terms_from_json(terms_as_json(terms)) == terms


# -- stops, amendments, expiry, everything at once


def open_block(world: World, **over: Any) -> UUID:
    block_id = world.place("1.00", rule=Rule(method=Method.EQUAL), **over).stimulus.command_id
    world.settle()
    return block_id


@pytest.mark.parametrize(
    ("side", "stop", "move", "why"),
    [
        ("buy", "stop_loss", -300, "stop_loss"),
        ("buy", "take_profit", 300, "take_profit"),
        ("sell", "stop_loss", 300, "stop_loss"),
        ("sell", "take_profit", -300, "take_profit"),
    ],
)
def test_a_stop_closes_the_whole_block_at_one_price(
    side: str, stop: str, move: int, why: str
) -> None:
    world = rich()
    price = Decimal(world.mid["EURUSD"] + (200 if move > 0 else -200)).scaleb(-5)
    block_id = open_block(world, side=side, **{stop: price})
    early = world.tell(c.StopBlock(command_id=world.new_id(), block_id=block_id))
    assert code_of(early) == "price_not_reached"
    world.mid["EURUSD"] += move
    body = world.tell(c.StopBlock(command_id=world.new_id(), block_id=block_id))
    requested = body.events[0]
    assert isinstance(requested, ev.CloseRequested)
    assert requested.reason == why
    world.settle()
    assert world.book.blocks == {}
    assert same(verify(world), world.book)
    assert same(replay(world.records), world.book)


def test_stops_on_the_wrong_side_are_refused() -> None:
    world = rich()
    above, below = (Decimal(world.mid["EURUSD"] + d).scaleb(-5) for d in (300, -300))
    assert code_of(world.place("1.00", stop_loss=above)) == "stop_loss_wrong_side"
    assert code_of(world.place("1.00", take_profit=below)) == "take_profit_wrong_side"
    assert code_of(world.place("1.00", side="sell", stop_loss=below)) == "stop_loss_wrong_side"


def test_a_pending_block_is_amended_and_an_open_one_only_in_its_stops() -> None:
    world = rich()
    limit = Decimal(world.mid["EURUSD"] - 500).scaleb(-5)
    block_id = world.place("1.00", kind="limit", price=limit).stimulus.command_id

    def amend(**over: Any) -> Body:
        return world.tell(c.AmendBlock(command_id=world.new_id(), block_id=block_id, **over))

    amend(price=limit - Decimal("0.001"), volume_lots=Decimal("2.00"))
    block = world.book.blocks[block_id]
    assert (block.price_points, block.requested_steps) == (world.mid["EURUSD"] - 600, 200)
    assert code_of(amend(stop_loss=limit)) == "stop_loss_wrong_side"
    assert code_of(amend()) == "nothing_to_amend"
    world.mid["EURUSD"] -= 700
    world.tell(c.TriggerBlock(command_id=world.new_id(), block_id=block_id))
    world.settle()
    assert code_of(amend(price=limit)) == "block_not_pending"
    amend(stop_loss=limit - Decimal("0.01"))
    assert world.book.blocks[block_id].sl_points is not None
    amend(stop_loss=Decimal(0))
    assert world.book.blocks[block_id].sl_points is None


def test_a_day_order_ends_with_the_day_and_not_before() -> None:
    world = rich()
    limit = Decimal(world.mid["EURUSD"] - 500).scaleb(-5)
    body = world.place("1.00", kind="limit", price=limit, expiry="day")
    block_id = body.stimulus.command_id
    ends = world.book.blocks[block_id].expires_at_ms
    assert ends is not None
    assert ends % 86_400_000 == 0
    expire = c.ExpireBlock(command_id=world.new_id(), block_id=block_id)
    assert code_of(world.tell(expire)) == "not_expired"
    world.now_ms = ends
    body = world.tell(c.ExpireBlock(command_id=world.new_id(), block_id=block_id))
    assert isinstance(body.events[0], ev.BlockCancelled)
    assert body.events[0].code == "expired"
    assert code_of(world.place("1.00", expiry="day")) == "expiry_invalid"


def test_close_all_and_cancel_all_take_what_there_is_and_only_the_symbol_asked() -> None:
    world = rich()
    open_block(world)
    open_block(world, name="GBPUSD")
    limit = Decimal(world.mid["EURUSD"] - 500).scaleb(-5)
    world.place("1.00", kind="limit", price=limit)
    body = world.tell(c.CancelAll(command_id=world.new_id(), symbol="EURUSD"))
    assert body.result["blocks"] == 1
    body = world.tell(c.CloseAll(command_id=world.new_id(), symbol="GBPUSD"))
    world.settle()
    assert [b.symbol for b in world.book.blocks.values()] == ["EURUSD"]
    world.tell(c.CloseAll(command_id=world.new_id()))
    world.settle()
    assert world.book.blocks == {}
    assert code_of(world.tell(c.CloseAll(command_id=world.new_id()))) == "nothing_to_close"
    assert code_of(world.tell(c.CancelAll(command_id=world.new_id()))) == "nothing_to_cancel"


def test_a_journal_written_before_there_were_terms_is_decided_the_same_today() -> None:
    data = (Path(__file__).parent / "data" / "journal_v1.msgpack.gz").read_bytes()
    records = msgspec.msgpack.decode(gzip.decompress(data), type=list[Record])
    verifier = Verifier()
    for record in records:
        verifier.feed(record)
    assert verifier.seq == len(records) > 100
    assert verifier.state is not None
    assert same(replay(records), verifier.state)
