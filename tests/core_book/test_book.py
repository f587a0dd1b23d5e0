"""The pure book: what must hold for every sequence of commands, quotes and server moods."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import decode, encode, pack, unpack
from apps.core.book.decide import decide, preview
from apps.core.book.records import digest_of, refusal
from apps.core.book.state import ACTIVE, DETACHED, BookState, next_status
from apps.core.book.verify import Verifier
from apps.core.errors import CorruptionError, StateError
from tests.core_book.simulate import live
from tests.core_book.world import World, same


def verify(world: World) -> BookState:
    verifier = Verifier()
    for record in world.records:
        verifier.feed(record)
    assert verifier.state is not None
    return verifier.state


@pytest.mark.parametrize("seed", range(40))
def test_any_life_keeps_sums_replays_exactly_and_verifies(seed: int) -> None:
    live(seed)


def test_full_close_leaves_nothing_and_pnl_is_what_prices_say() -> None:
    world = World(1, moods=False)
    world.place("3.33")
    world.settle()
    block = next(iter(world.book.blocks.values()))
    opened = block.open_points
    before = world.book.members.balance_minor.copy()
    world.tick()
    world.tell(c.CloseBlock(command_id=world.new_id(), block_id=block.block_id))
    world.settle()
    assert world.book.blocks == {}
    filled = next(e for b in world.bodies for e in b.events if isinstance(e, ev.CloseFilled))
    assert int(filled.steps.sum()) == 333
    for account, steps, pnl in zip(filled.account_ids, filled.steps, filled.pnl_minor, strict=True):
        at = world.book.index[int(account)]
        currency = world.book.currencies[int(world.book.members.currency[at])]
        rate = filled.rates[currency]
        digits = world.book.digits_of[currency]
        exact = Decimal(filled.price_points - opened) * int(steps) * 1000 * rate / 10**5
        cents = (exact * 10**digits).quantize(Decimal(1), rounding="ROUND_HALF_UP")
        assert int(pnl) == cents
        assert world.book.members.balance_minor[at] == before[at] + pnl


def test_order_volume_is_the_sum_of_shares_also_when_caps_bite() -> None:
    world = World(2, accounts=5, moods=False)
    body = world.place("9000")
    allocated = body.events[1]
    assert isinstance(allocated, ev.BlockAllocated)
    assert allocated.order_steps == int(allocated.steps.sum())
    assert allocated.residual_steps == 900_000 - allocated.order_steps > 0
    assert (allocated.steps <= allocated.cap_steps).all()
    assert set(allocated.reasons.tolist()) == {14}  # CAP_MARGIN


def test_partial_closes_have_memory() -> None:
    world = World(3, accounts=7, moods=False)
    world.place("1.00")
    world.settle()
    block = next(iter(world.book.blocks.values()))
    start = block.open_steps.copy()
    for done in range(1, 11):
        world.tell(
            c.CloseBlock(
                command_id=world.new_id(), block_id=block.block_id, volume_lots=Decimal("0.10")
            )
        )
        world.settle()
        if done < 10:
            closed = start - world.book.blocks[block.block_id].open_steps
            assert int(closed.sum()) == done * 10
            assert (np.abs(closed * 10 - start * done) < 15).all()
    assert world.book.blocks == {}


def test_unlink_closes_only_that_account_and_then_detaches_it() -> None:
    world = World(4, accounts=6, moods=False)
    world.place("2.00")
    world.settle()
    block = next(iter(world.book.blocks.values()))
    others = {int(m): int(s) for m, s in zip(block.members, block.open_steps, strict=True)}
    gone = world.book.index[3]
    body = world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=3))
    assert body.result["status"] == "detaching"
    assert body.result["closes"][0]["steps"] == others[gone]
    world.settle()
    assert world.book.members.status[gone] == DETACHED
    left = world.book.blocks[block.block_id]
    after = {int(m): int(s) for m, s in zip(left.members, left.open_steps, strict=True)}
    assert after.pop(gone) == 0
    assert after == {m: s for m, s in others.items() if m != gone}
    assert refusal(world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=3))) is not None
    world.link(3)
    assert world.book.members.status[gone] == ACTIVE


def test_account_that_leaves_while_the_order_is_on_its_way_is_closed_when_it_fills() -> None:
    world = World(5, accounts=4, moods=False)
    world.place("1.00")
    world.tell(c.UnlinkAccount(command_id=world.new_id(), account_id=2))
    assert world.book.members.status[world.book.index[2]] != DETACHED
    world.settle()
    at = world.book.index[2]
    assert world.book.members.status[at] == DETACHED
    assert world.book.exposures["EURUSD"].long_steps[at] == 0


def test_pending_block_takes_participants_at_placement_and_weights_at_trigger() -> None:
    world = World(6, accounts=4, moods=False)
    limit = Decimal(world.mid["EURUSD"] - 500).scaleb(-5)
    body = world.place("1.00", kind="limit", price=limit)
    assert body.result["status"] == "pending"
    block_id = body.stimulus.command_id
    world.link(9)
    early = world.tell(c.TriggerBlock(command_id=world.new_id(), block_id=block_id))
    assert refusal(early).code == "price_not_reached"  # type: ignore[union-attr]
    world.tell(
        c.AdjustBalance(
            command_id=world.new_id(), account_id=1, kind="deposit", amount_minor=77_000_000
        )
    )
    world.settle()
    world.mid["EURUSD"] -= 600
    allocated = world.tell(c.TriggerBlock(command_id=world.new_id(), block_id=block_id)).events[0]
    assert isinstance(allocated, ev.BlockAllocated)
    assert sorted(allocated.account_ids.tolist()) == [1, 2, 3, 4]
    at = world.book.index[1]
    assert world.book.members.balance_minor[at] in allocated.equity_minor


REFUSALS: dict[str, dict[str, Any]] = {
    "unknown_symbol": {"symbol": "XXXYYY"},
    "volume_off_step": {"volume_lots": Decimal("1.005")},
    "volume_not_positive": {"volume_lots": Decimal("-1")},
    "volume_above_max": {"volume_lots": Decimal("20000")},
    "volume_below_min": {"symbol": "GBPUSD", "volume_lots": Decimal("0.01")},
    "price_not_allowed": {"price": Decimal("1.1")},
    "price_required": {"kind": "limit"},
    "price_off_grid": {"kind": "limit", "price": Decimal("1.000001")},
    "price_wrong_side": {"kind": "limit", "price": Decimal("2")},
}


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_bad_orders_are_refused_by_code_and_change_nothing(code: str) -> None:
    world = World(8, accounts=3, moods=False)
    before = encode(world.book)
    fields: dict[str, Any] = {
        "symbol": "EURUSD",
        "side": "buy",
        "volume_lots": Decimal(1),
        **REFUSALS[code],
    }
    body = world.tell(c.PlaceBlock(command_id=world.new_id(), **fields))
    refused = refusal(body)
    assert refused is not None
    assert refused.code == code
    assert encode(world.book) == before


def test_stale_quotes_are_refused_and_the_limit_is_said() -> None:
    world = World(9, accounts=3)
    inputs = world.inputs()
    inputs.now_ms += 60_000
    command = c.PlaceBlock(
        command_id=world.new_id(), symbol="EURUSD", side="buy", volume_lots=Decimal(1)
    )
    refused = decide(world.book, command, inputs).events[0]
    assert isinstance(refused, ev.CommandRefused)
    assert refused.code == "stale_quote"
    assert "15 s" in refused.message


def test_equity_that_cannot_be_known_is_no_weight() -> None:
    world = World(9, accounts=3, moods=False)
    world.place("1.00", "GBPUSD")
    world.settle()
    inputs = world.inputs()
    inputs.quotes = {k: q for k, q in inputs.quotes.items() if k != "GBPUSD"}
    command = c.PlaceBlock(
        command_id=world.new_id(), symbol="EURUSD", side="buy", volume_lots=Decimal(1)
    )
    refused = decide(world.book, command, inputs).events[0]
    assert isinstance(refused, ev.CommandRefused)
    assert refused.code == "no_quote"


def test_preview_is_what_placing_does_and_writes_nothing() -> None:
    world = World(10, accounts=9, moods=False)
    before = encode(world.book)
    command = c.PlaceBlock(
        command_id=world.new_id(), symbol="EURUSD", side="buy", volume_lots=Decimal("1.23")
    )
    seen, _, _ = preview(world.book, command, world.inputs())
    assert encode(world.book) == before
    placed = world.tell(command).events[1]
    assert encode(seen) == encode(placed)


@pytest.mark.parametrize("field", ["body", "digest", "at_ms", "epoch"])
def test_one_changed_field_is_found_and_named(field: str) -> None:
    world = World(11)
    for _ in range(20):
        world.act()
    victim = world.records[9]
    changes = {
        "body": victim.body[:-1] + bytes([victim.body[-1] ^ 1]),
        "digest": bytes(32),
        "at_ms": victim.at_ms + 1,
        "epoch": victim.epoch + 1,
    }
    world.records[9] = msgspec.structs.replace(victim, **{field: changes[field]})
    with pytest.raises(CorruptionError) as caught:
        verify(world)
    assert caught.value.details["seq"] == 10


def test_a_forged_share_is_found_even_with_a_recomputed_chain() -> None:
    world = World(12, accounts=5, moods=False)
    body = world.place("1.00")
    placed, allocated = body.events
    assert isinstance(allocated, ev.BlockAllocated)
    steps = allocated.steps.copy()
    steps[0] += 1
    steps[1] -= 1
    forged = msgspec.structs.replace(
        body, events=[placed, msgspec.structs.replace(allocated, steps=steps)]
    )
    last = world.records[-1]
    data = encode(forged)
    previous = world.records[-2].digest
    digest = digest_of(previous, last.seq, last.epoch, last.at_ms, last.command_id, data)
    world.records[-1] = msgspec.structs.replace(last, body=data, digest=digest)
    with pytest.raises(CorruptionError, match="field steps"):
        verify(world)


def test_vectors_survive_packing_and_torn_ones_are_refused() -> None:
    for values in ([], [0], [-128, 127], [-129], [2**31], [-(2**63), 2**63 - 1]):
        vector = np.array(values, dtype=np.int64)
        assert unpack(pack(vector)).tolist() == values
    with pytest.raises(CorruptionError):
        unpack(pack(np.array([2**40], dtype=np.int64))[:-1])


@pytest.mark.parametrize("size", [25, 400])
def test_long_vectors_survive_packing_in_every_form_and_torn_ones_are_refused(size: int) -> None:
    rng = np.random.default_rng(size)
    vectors = [np.arange(size) + 7, np.cumsum(rng.integers(1, 2**34, size))]
    for bits in range(0, 63, 3):
        around = rng.integers(-(2**bits), 2**bits + 1, size)
        vectors += [around, np.sort(around), np.where(rng.random(size) < 0.02, 2**bits, 3)]
    vectors.append(np.array([-(2**63), 2**63 - 1] * size))
    forms = set()
    for vector in vectors:
        data = pack(vector)
        forms.add(data[0])
        assert unpack(data).tolist() == vector.tolist()
        assert len(data) <= 1 + vector.size * 8
        for torn in (data[:-1], data + b"0") if data[0] > 1 else ():
            with pytest.raises(CorruptionError):
                unpack(torn)
    assert {8, 16, 17} <= forms


def test_vectors_of_the_first_form_stay_readable() -> None:
    """What journals written before the shorter forms hold, at any length."""
    values = np.arange(1000, dtype=np.int64)
    assert unpack(b"\x02" + values.astype("<i2").tobytes()).tolist() == values.tolist()


def test_snapshot_is_the_state() -> None:
    world = World(13)
    for _ in range(60):
        world.act()
    again = decode(encode(world.book), BookState)
    assert same(again, world.book)
    assert again.groups
    assert again.pairs


def test_a_state_machine_refuses_what_its_table_does_not_have() -> None:
    with pytest.raises(StateError):
        next_status("closed", "filled")
