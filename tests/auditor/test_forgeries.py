"""The standalone verifier names the record that was forged, also in a recomputed chain."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.core.allocation import Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import encode
from apps.core.book.terms import LinkTerms
from apps.core.sessions import minute_of_week
from tests.auditor.auditing import a_life, audit, chained, changed, exported, moved
from tests.core_book.server import Deal
from tests.core_book.world import PRICES, SYMBOLS, World

TAMPERINGS: dict[str, tuple[type, Callable[[Any], dict[str, Any]], str]] = {
    "a lot moved": (ev.BlockAllocated, lambda e: {"steps": moved(e.steps)}, "steps"),
    "equity changed": (
        ev.BlockAllocated,
        lambda e: {"equity_minor": moved(e.equity_minor)},
        "equity_minor",
    ),
    "a cap loosened": (ev.BlockAllocated, lambda e: {"cap_steps": e.cap_steps + 1}, "cap_steps"),
    "carry changed": (ev.BlockAllocated, lambda e: {"carry": moved(e.carry)}, "carry"),
    "a reason changed": (ev.BlockAllocated, lambda e: {"reasons": e.reasons + 1}, "reasons"),
    "a filled share moved": (ev.BlockFilled, lambda e: {"steps": moved(e.steps)}, "steps"),
    "price changed": (
        ev.BlockFilled,
        lambda e: {"price_points": e.price_points + 1},
        "price_points",
    ),
    "a closed share moved": (ev.CloseRequested, lambda e: {"steps": moved(e.steps)}, "steps"),
    "P&L moved": (ev.CloseFilled, lambda e: {"pnl_minor": moved(e.pnl_minor)}, "pnl_minor"),
    "a rate changed": (ev.CloseFilled, lambda e: {"rates": {**e.rates, "USD": 2}}, "rates"),
    "amount changed": (
        ev.BalanceSettled,
        lambda e: {"amount_minor": e.amount_minor + 1},
        "amount_minor",
    ),
    "left with more": (
        ev.MemberDetached,
        lambda e: {"balance_minor": e.balance_minor + 1},
        "balance_minor",
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_forged_record_is_named_even_with_a_recomputed_chain(what: str, tmp_path: Path) -> None:
    kind, change, name = TAMPERINGS[what]
    world = a_life(31)
    at, body = changed(world, kind, change)
    records = list(world.records)
    records[at] = msgspec.structs.replace(records[at], body=encode(body))
    status, said = audit(exported(world, chained(records), tmp_path / "j"))
    assert status == 1
    assert f"record {at + 1} " in said
    assert name in said


def test_a_changed_byte_is_named_by_its_digest(tmp_path: Path) -> None:
    world = a_life(32, 20)
    records = list(world.records)
    body = records[9].body
    records[9] = msgspec.structs.replace(records[9], body=body[:-1] + bytes([body[-1] ^ 1]))
    status, said = audit(exported(world, records, tmp_path / "j"))
    assert (status, "record 10 does not carry the digest" in said) == (1, True)


def kind_at(world: World, kind: type) -> int:
    found = (at for at, body in enumerate(world.bodies) if isinstance(body.stimulus, kind))
    return next(at for at in found if world.bodies[at].result or kind is c.FillReported)


def test_a_dropped_or_reordered_record_is_named(tmp_path: Path) -> None:
    world = a_life(33)
    at = kind_at(world, c.FillReported)
    dropped = [*world.records[:at], *world.records[at + 1 :]]
    status, said = audit(exported(world, dropped, tmp_path / "dropped"))
    assert (status, f"record {at + 2} comes after record {at}" in said) == (1, True)
    status, said = audit(exported(world, chained(dropped), tmp_path / "renumbered"))
    assert status == 1, said
    place = kind_at(world, c.PlaceBlock)
    swapped = list(world.records)
    swapped[place], swapped[place + 1] = swapped[place + 1], swapped[place]
    status, said = audit(exported(world, swapped, tmp_path / "swapped"))
    assert (status, f"record {place + 2} comes after record {place}" in said) == (1, True)
    fill = next(
        number
        for number, body in enumerate(world.bodies)
        if isinstance(body.stimulus, c.FillReported)
        and body.stimulus.order_id == world.bodies[place].stimulus.command_id
    )
    early = list(world.records)
    early.insert(place, early.pop(fill))
    status, said = audit(exported(world, chained(early), tmp_path / "early"))
    assert (status, f"record {place + 1} " in said) == (1, True)


def test_a_fill_that_was_refused_by_a_forger_is_named(tmp_path: Path) -> None:
    world = a_life(34)
    at = kind_at(world, c.FillReported)
    refused = ev.CommandRefused(kind="ConflictError", code="x", message="x", details={})
    records = list(world.records)
    body = msgspec.structs.replace(world.bodies[at], events=[refused])
    records[at] = msgspec.structs.replace(records[at], body=encode(body))
    status, said = audit(exported(world, chained(records), tmp_path / "j"))
    assert (status, f"record {at + 1} refuses a report" in said) == (1, True)


def test_a_shortened_export_is_found_by_its_end_or_by_a_known_head(tmp_path: Path) -> None:
    world = a_life(35, 30)
    lines = exported(world, world.records, tmp_path / "j").read_text().splitlines()
    (tmp_path / "torn").write_text("\n".join(lines[:-2]))
    assert audit(tmp_path / "torn")[0] == 1
    head = world.records[-1].digest.hex()
    assert audit(tmp_path / "j", "--head", head)[0] == 0
    short = exported(world, world.records[:-1], tmp_path / "short")
    assert audit(short)[0] == 0  # a shorter history is a history: only a head kept elsewhere tells
    status, said = audit(short, "--head", head)
    assert (status, "--head" in said) == (1, True)


def with_terms() -> World:
    """Links with caps of their own, and an order with stops that is amended, then stopped."""
    world = World(41, accounts=8, moods=False)
    terms = LinkTerms(
        max_order_lots=Decimal("0.40"), max_open_lots=Decimal(5), max_leverage=Decimal(20)
    )
    for account in (1, 2, 3):
        world.tell(c.SetLinkTerms(command_id=world.new_id(), account_id=account, terms=terms))
    world.tick()
    mid = world.mid["EURUSD"]
    block = world.place("9.00", stop_loss=Decimal(mid - 300).scaleb(-5), rule=Rule())
    world.settle()
    amended = Decimal(mid - 250).scaleb(-5)
    block_id = block.stimulus.command_id
    world.tell(c.AmendBlock(command_id=world.new_id(), block_id=block_id, stop_loss=amended))
    world.mid["EURUSD"] = mid - 260
    world.tell(c.StopBlock(command_id=world.new_id(), block_id=block_id))
    world.settle()
    return world


MORE: dict[str, tuple[type, Callable[[Any], dict[str, Any]], str]] = {
    "a link's cap loosened": (
        ev.BlockAllocated,
        lambda e: {"cap_steps": e.cap_steps + (e.cap_reasons == 10)},
        "cap_steps",
    ),
    "another limit named": (
        ev.BlockAllocated,
        lambda e: {"cap_reasons": e.cap_reasons + 1},
        "cap_reasons",
    ),
    "a lot moved past a cap": (ev.BlockAllocated, lambda e: {"steps": moved(e.steps)}, "steps"),
    "a stop moved": (ev.BlockPlaced, lambda e: {"sl_points": e.sl_points - 1}, "sl_points"),
    "an amended stop moved": (
        ev.BlockAmended,
        lambda e: {"sl_points": e.sl_points - 1},
        "sl_points",
    ),
    "stopped by something else": (
        ev.CloseRequested,
        lambda e: {"reason": "take_profit"},
        "reason",
    ),
    "terms changed": (
        ev.LinkTermsSet,
        lambda e: {"terms": LinkTerms(max_order_lots=Decimal(9))},
        "terms",
    ),
}


@pytest.mark.parametrize("what", MORE)
def test_a_forged_cap_stop_or_term_is_named(what: str, tmp_path: Path) -> None:
    kind, change, name = MORE[what]
    world = with_terms()
    assert audit(exported(world, world.records, tmp_path / "right"))[0] == 0
    at, body = changed(world, kind, change)
    records = list(world.records)
    records[at] = msgspec.structs.replace(records[at], body=encode(body))
    status, said = audit(exported(world, chained(records), tmp_path / "j"))
    assert (status, f"record {at + 1} " in said, name in said) == (1, True, True), said


def test_a_stop_that_was_not_reached_is_named(tmp_path: Path) -> None:
    """The record says that a stop was reached; its own quote says that it was not."""
    world = with_terms()
    at = next(i for i, b in enumerate(world.bodies) if isinstance(b.stimulus, c.StopBlock))
    body = world.bodies[at]
    quotes = {"EURUSD": c.QuoteIn(PRICES["EURUSD"] + 9_000, PRICES["EURUSD"] + 9_010, 0)}
    quotes["EURUSD"] = msgspec.structs.replace(quotes["EURUSD"], at_ms=body.inputs.now_ms)
    body = msgspec.structs.replace(body, inputs=msgspec.structs.replace(body.inputs, quotes=quotes))
    records = list(world.records)
    records[at] = msgspec.structs.replace(records[at], body=encode(body))
    status, said = audit(exported(world, chained(records), tmp_path / "j"))
    assert (status, "price_not_reached" in said) == (1, True), said


def test_an_order_that_expires_is_right_and_one_too_early_is_named(tmp_path: Path) -> None:
    world = World(42, accounts=5, moods=False)
    world.tick()
    price = Decimal(world.mid["EURUSD"] - 900).scaleb(-5)
    over: dict[str, Any] = {"kind": "limit", "price": price, "expiry": "day"}
    block_id = world.place("2.00", **over).stimulus.command_id
    world.now_ms += 86_400_000
    expired = world.tell(c.ExpireBlock(command_id=world.new_id(), block_id=block_id))
    assert isinstance(expired.events[0], ev.BlockCancelled)
    assert audit(exported(world, world.records, tmp_path / "right"))[0] == 0
    at, body = changed(world, ev.BlockPlaced, lambda e: {"expires_at_ms": e.expires_at_ms - 1})
    records = list(world.records)
    records[at] = msgspec.structs.replace(records[at], body=encode(body))
    status, said = audit(exported(world, chained(records), tmp_path / "j"))
    assert (status, "expires_at_ms" in said) == (1, True)


def test_an_order_outside_the_symbols_sessions_is_named(tmp_path: Path) -> None:
    """The symbol's own record is changed by the forger: closed at the minute of the order."""
    world = World(45, accounts=5, moods=False)
    minute = minute_of_week(world.now_ms)
    sessions = {"inside": ((minute, minute + 60),), "outside": ((minute + 60, minute + 120),)}
    for name, times in sessions.items():
        world = World(45, accounts=5, moods=False)
        world.tick()
        at = len(world.records)
        info = msgspec.structs.replace(SYMBOLS[0], sessions=sessions["inside"])
        world.tell(c.DefineSymbols(command_id=world.new_id(), symbols=[info]))
        world.place("3.21")
        told = msgspec.structs.replace(info, sessions=times)
        stimulus = msgspec.structs.replace(world.bodies[at].stimulus, symbols=[told])
        body = msgspec.structs.replace(
            world.bodies[at], stimulus=stimulus, events=[ev.SymbolDefined(symbol=told)]
        )
        records = list(world.records)
        records[at] = msgspec.structs.replace(records[at], body=encode(body))
        status, said = audit(exported(world, chained(records), tmp_path / name))
        assert status == (0 if name == "inside" else 1), said
        assert ("market_closed" in said) == (name == "outside")


def test_a_bust_is_mirrored_and_a_forged_mirror_is_named(tmp_path: Path) -> None:
    world = World(44, accounts=6, moods=False)
    world.tick()
    world.place("3.21")
    world.settle()
    filled = next(e for b in world.bodies for e in b.events if isinstance(e, ev.BlockFilled))
    for deal in (filled.deal_ids[0], "never"):
        world.server.deals[f"reversal of {deal}"] = Deal(
            filled.filled_steps, filled.price_points, filled.filled_steps
        )
        world.tell(
            c.BustReported(
                command_id=world.new_id(),
                busted_deal_id=deal,
                deal_id=f"reversal of {deal}",
                symbol="EURUSD",
                side="sell",
                steps=filled.filled_steps,
                price_points=filled.price_points,
                rates={},
                server_seq=99,
                at_ms=world.now_ms,
            )
        )
    assert isinstance(world.bodies[-1].events[0], ev.CommandRefused)
    world.settle()
    assert audit(exported(world, world.records, tmp_path / "right"))[0] == 0
    at, body = changed(world, ev.CloseFilled, lambda e: {"pnl_minor": e.pnl_minor + 1})
    records = list(world.records)
    records[at] = msgspec.structs.replace(records[at], body=encode(body))
    status, said = audit(exported(world, chained(records), tmp_path / "j"))
    assert (status, "pnl_minor" in said) == (1, True)
