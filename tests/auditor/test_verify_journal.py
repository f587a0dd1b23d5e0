"""The standalone verifier accepts every life of a book, and names the record that was forged.

It runs as an auditor runs it: a process of its own, without anything of ours on its path.
"""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from apps.core.allocation import Rule
from apps.core.book import commands as c
from apps.core.book import events as ev
from apps.core.book.codec import decode, encode, pack, vec
from apps.core.book.records import GENESIS, Body, Record, digest_of
from apps.engine.export import lines_of
from tests.core_book.world import World

VERIFIER = Path(__file__).resolve().parents[2] / "scripts" / "auditor" / "verify_journal.py"


def audit(path: Path, *options: str) -> tuple[int, str]:
    """(exit status, what it said), run isolated from this project and from site-packages."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(VERIFIER), str(path), *options],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def exported(world: World, records: list[Record], path: Path) -> Path:
    path.write_text("\n".join(lines_of("acme", world.book.book_id, records)) + "\n")
    return path


def chained(records: list[Record]) -> list[Record]:
    """The records renumbered and chained anew: a forger who can compute digests."""
    head, found = GENESIS, []
    for seq, record in enumerate(records, 1):
        digest = digest_of(head, seq, record.epoch, record.at_ms, record.command_id, record.body)
        found.append(msgspec.structs.replace(record, seq=seq, digest=digest))
        head = digest
    return found


def a_life(seed: int, acts: int = 90, **options: Any) -> World:
    world = World(seed, **options, directs=False)
    for _ in range(acts):
        world.act()
    world.settle()
    return world


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


def changed(world: World, kind: type, change: Callable[[Any], dict[str, Any]]) -> tuple[int, Body]:
    """(place in the journal, body) of the first event of `kind` that `change` really changes."""
    for at, body in enumerate(world.bodies):
        for number, event in enumerate(body.events):
            if isinstance(event, kind):
                events = list(body.events)
                events[number] = msgspec.structs.replace(event, **change(event))
                if encode(events[number]) == encode(event):
                    continue  # one ticket alone: there is nobody to move a lot to
                return at, msgspec.structs.replace(body, events=events)
    raise AssertionError(f"this life has no {kind.__name__}")


def moved(vector: Any) -> Any:
    """The same sum, one unit from the largest to another."""
    found = vec(vector).copy()
    largest = int(np.argmax(found))
    found[largest] -= 1
    found[(largest + 1) % found.size] += 1
    return found


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


def test_what_it_cannot_derive_is_neither_right_nor_wrong(tmp_path: Path) -> None:
    world = World(32, accounts=6, directs=False)
    world.tick()
    world.place("3.21", "EURUSD")
    before = len(world.records)
    world.tell(c.CloseAll(command_id=world.new_id()))
    status, said = audit(exported(world, world.records, tmp_path / "j"))
    assert status == 3
    assert f"record {before + 1} holds a 'close_all'" in said


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
