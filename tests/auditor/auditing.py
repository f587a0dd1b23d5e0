"""Running the standalone verifier as an auditor does, and forging journals for it.

It runs as a process of its own, without anything of ours on its path.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from apps.core.book.codec import encode, vec
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
