"""Protection under the seeded simulation: limits, stops, days, lifts, the server's own closes."""

from __future__ import annotations

import os

import pytest

from apps.core.book.verify import Verifier
from tests.core_book.protected import ProtectedWorld
from tests.core_book.world import replay, same

SEEDS = int(os.environ.get("RISK_SEEDS", "40"))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_stops_keep_the_books_whole(seed: int) -> None:
    world = ProtectedWorld(seed)
    for _ in range(250):
        world.act()
        world.check()
    world.moods = False
    world.stop_out()
    world.settle()
    world.check()
    book = world.book
    world.server.compare()
    assert same(book, replay(world.records))
    verifier = Verifier()
    for record in world.records:
        verifier.feed(record)
