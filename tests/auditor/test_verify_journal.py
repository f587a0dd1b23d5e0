"""The standalone verifier accepts every life of a book, and says what is beyond it."""

from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from apps.core.allocation import Method, Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import decode, pack, vec
from apps.core.book.decide import preview
from apps.core.book.records import Body, Record
from tests.auditor.auditing import VERIFIER, a_life, audit, chained, exported
from tests.core_book.world import World


@pytest.mark.parametrize("seed", range(100, 112))
def test_every_life_is_right_and_ends_with_the_books_balances(seed: int, tmp_path: Path) -> None:
    world = a_life(seed, 150)
    status, said = audit(exported(world, world.records, tmp_path / "j"), "--balances")
    assert (status, said.count("right:")) == (0, 1), said
    members = world.book.members
    balances = zip(members.account_ids, members.balance_minor, strict=True)
    lines = [line.split("\t") for line in said.splitlines() if "\t" in line]
    assert [(int(a), int(b)) for a, _, b in lines] == [(int(a), int(b)) for a, b in balances]


RULES = [
    Rule(method="equal"),  # type: ignore[arg-type]
    Rule(method="ratio"),  # type: ignore[arg-type]
    Rule(residual_policy="largest_weight_first"),  # type: ignore[arg-type]
    Rule(residual_policy="round_robin"),  # type: ignore[arg-type]
    Rule(residual_policy="overflow_account", overflow_account_id=3),  # type: ignore[arg-type]
    Rule(below_min="skip_redistribute", cap_policy="clip_redistribute"),  # type: ignore[arg-type]
    Rule(below_min="bump_to_min", cap_policy="clip_redistribute"),  # type: ignore[arg-type]
    Rule(below_min="bump_to_min", carry_forward=False),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(
    "rule", RULES, ids=lambda r: f"{r.method}-{r.residual_policy}-{r.below_min}"
)
def test_every_rule_is_derived_also_when_caps_and_minimum_bite(rule: Rule, tmp_path: Path) -> None:
    world = World(21, accounts=14, directs=False)
    seen: set[int] = set()
    for number in range(40):
        world.tick()
        name = ["EURUSD", "GBPUSD", "USDJPY"][number % 3]
        body = world.place(["0.07", "3.21", "40.00", "900.00"][number % 4], name, rule=rule)
        for event in body.events:
            if isinstance(event, ev.BlockAllocated):
                seen |= set(event.reasons.tolist())
        if number % 3 == 2:
            world.settle()
    assert len(seen) >= 3
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert status == 0, said


def test_what_is_no_export_is_said_and_a_record_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello\n")
    assert audit(tmp_path / "text")[0] == 2
    world = a_life(36, 10)
    status, said = audit(exported(world, world.records, tmp_path / "j"), "--show", "1")
    assert status == 0
    shown = json.loads(said[: said.rindex("}") + 1])
    assert shown["stimulus"]["type"] == "open_book"
    assert decode(world.records[0].body, Body).stimulus.command_id.hex in shown["stimulus"][
        "command_id"
    ].replace("-", "")


@pytest.mark.parametrize("bits", [0, 7, 20, 33, 50, 61])
def test_the_verifier_reads_vectors_in_every_form(bits: int) -> None:
    """Long ones are written as offsets, with exceptions, or as steps between ascending ids."""
    read = runpy.run_path(str(VERIFIER))["vector"]
    rng = np.random.default_rng(bits)
    around = rng.integers(-(2**bits), 2**bits + 1, 300)
    rare = np.where(rng.random(300) < 0.02, 2**bits, 3)
    for vector in (around, np.sort(around), np.cumsum(np.abs(around) // 300 + 1), rare, vec([5])):
        assert read(pack(vector)) == vector.tolist()


def test_the_books_own_rule_is_followed(tmp_path: Path) -> None:
    world = World(31, accounts=6, directs=False)
    world.tell(c.SetRule(command_id=world.new_id(), rule=Rule(method="equal")))  # type: ignore[arg-type]
    world.tick()
    world.place("3.21", "EURUSD", rule=None)
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert status == 0, said


LIVES = range(20)


@pytest.mark.parametrize("seed", LIVES)
def test_every_life_with_terms_stops_amendments_and_outside_trades_is_right(
    seed: int, tmp_path: Path
) -> None:
    """Rules of every method, link terms and statuses, lots by hand, close-all, cancel-all."""
    world = World(seed, is_plain=True)
    for _ in range(200):
        world.act()
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert status == 0, said


def test_those_lives_use_every_method_every_limit_and_every_event() -> None:
    methods, reasons, kinds, origins = set[str](), set[int](), set[str](), set[str]()
    for seed in LIVES:
        world = World(seed, is_plain=True)
        for _ in range(200):
            world.act()
        for event in (event for body in world.bodies for event in body.events):
            kinds.add(type(event).__name__)
            if isinstance(event, ev.BlockAllocated):
                reasons |= set(event.reasons.tolist())
            if isinstance(event, ev.BlockPlaced):
                methods.add(str(event.rule.method))
                origins |= {event.origin, event.kind}
            if isinstance(event, ev.CloseRequested):
                origins.add(event.reason)
    assert methods == {str(method) for method in Method} - {"custom"}
    assert reasons >= {0, 1, 2, 3, 10, 11, 12, 13, 19, 20, 21, 30, 32, 33, 35}
    assert kinds >= {
        "BlockAmended",
        "LinkTermsSet",
        "LinkStatusSet",
        "BlockRejected",
        "StopTrailed",
    }
    assert origins >= {"outside", "late", "reverse", "stop_limit", "stop_loss", "close_by"}


def test_an_order_with_the_token_of_a_preview_is_divided_by_the_previewed_quotes(
    tmp_path: Path,
) -> None:
    world = World(43, accounts=6, moods=False)
    world.tick()
    order = c.PlaceBlock(
        command_id=world.new_id(), symbol="EURUSD", side="buy", volume_lots=Decimal("3.21")
    )
    _, _, token = preview(world.book, order, world.inputs())
    world.now_ms += 2_000
    world.mid["EURUSD"] += 7
    body = world.tell(msgspec.structs.replace(order, token=f"{token}.signature"))
    assert body.result["status"] == "sent"
    world.settle()
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert status == 0, said


def raw(world: World, change: Callable[[dict[str, Any]], None]) -> list[Record]:
    """The journal with its last record's body changed below the types, as a newer book's."""
    records = list(world.records)
    body = msgspec.msgpack.decode(records[-1].body)
    change(body)
    records[-1] = msgspec.structs.replace(records[-1], body=msgspec.msgpack.encode(body))
    return chained(records)


BEYOND: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "a command": (lambda b: b["stimulus"].update(type="halt_book"), "holds a 'halt_book'"),
    "an event": (lambda b: b["events"].append({"type": "halted"}), "holds an event 'halted'"),
    "an option of an order": (
        lambda b: b["stimulus"].update(iceberg_lots="1.00"),
        "uses the order 'iceberg_lots'",
    ),
    "a kind of order": (
        lambda b: b["stimulus"].update(kind="fixing"),
        "uses the order kind 'fixing'",
    ),
    "an option of a rule": (
        lambda b: b["events"][0]["rule"].update(mirror=True) or b["stimulus"].update(
            rule=b["events"][0]["rule"]
        ),
        "uses the rule 'mirror'",
    ),
    "a field of an event": (
        lambda b: b["events"][0].update(iceberg_steps=100),
        "uses 'iceberg_steps' of the event 'block_placed'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BEYOND)
def test_what_a_newer_book_uses_is_neither_right_nor_wrong_and_named(
    what: str, tmp_path: Path
) -> None:
    change, name = BEYOND[what]
    world = World(32, accounts=6, directs=False)
    world.tick()
    world.place("3.21", "EURUSD")
    status, said = audit(exported(world, raw(world, change), tmp_path / "j"))
    assert (status, f"record {len(world.records)} {name}" in said) == (3, True), said


def test_what_a_newer_book_has_and_did_not_use_is_right(tmp_path: Path) -> None:
    world = World(32, accounts=6, directs=False)
    world.tick()
    world.place("3.21", "EURUSD")

    def change(body: dict[str, Any]) -> None:
        body["stimulus"].update(iceberg_lots=None, hidden=False)
        body["events"][0].update(iceberg_steps=None, tags=[])

    assert audit(exported(world, raw(world, change), tmp_path / "j"))[0] == 0


def test_many_joining_in_one_record_are_derived(tmp_path: Path) -> None:
    world = World(31, accounts=3, directs=False)
    world.link_many([2, 7, 8, 9])
    world.place("3.00")
    world.settle()
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert status == 0, said


def test_what_is_beyond_the_verifier_is_not_called_wrong(tmp_path: Path) -> None:
    world = World(32, accounts=3, directs=False)
    world.place("3.00")
    world.settle()
    world.link(9, "proportional_at_market")
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert (status, "BEYOND" in said) == (3, True), said
