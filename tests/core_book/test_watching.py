"""What people watch is what is decided by, to the rounding."""

from __future__ import annotations

import numpy as np
import pytest

from apps.core.book.commands import QuoteIn
from apps.core.book.market import Market
from apps.core.book.marking import floating
from apps.core.book.watching import watched_floating
from tests.core_book.world import World


@pytest.mark.parametrize("seed", [31, 32, 33])
def test_frames_follow_the_quotes_and_the_records_of_a_book(seed: int) -> None:
    world = World(seed, accounts=20)
    seen_moving = False
    for _ in range(40):
        world.act()
        for _ in range(2):  # the second frame moves what the first has folded
            world.tick()
            quotes = world.quotes()
            exact = floating(world.book, Market(quotes, 0, 10**9))
            shown = watched_floating(world.book, Market(quotes, 0, 10**9), len(world.records))
            assert np.abs(shown - exact).max(initial=0) <= 1 + len(world.book.exposures) // 2
            seen_moving = seen_moving or bool(exact.any())
    assert seen_moving


def test_what_might_not_fit_is_marked_exactly() -> None:
    world = World(31, accounts=20)
    for _ in range(40):
        world.act()
    world.settle()
    far = {name: QuoteIn(2**33, 2**33 + 1, 0) for name in world.quotes()}
    seq = len(world.records)
    watched_floating(world.book, Market(world.quotes(), 0, 10**9), seq)
    exact = floating(world.book, Market(far, 0, 10**9))
    assert watched_floating(world.book, Market(far, 0, 10**9), seq).tolist() == exact.tolist()
