"""Thousands of seeded lives of a book. Every one is checked after each step, replayed and verified.

    python -m tests.core_book.simulate --seeds 3000     every seed from 0, on all cores
    python -m tests.core_book.simulate --only 1234      one seed again, with its failure

Exit status 1 when a seed fails; its number is all that is needed to see it again.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from apps.core.book import events as ev
from apps.core.book.verify import Verifier
from tests.core_book.world import World, replay, same

STEPS = 120


def live(seed: int, steps: int = STEPS) -> World:
    """One life to its rest. Raises AssertionError, or what the book raised."""
    world = World(seed)
    for _ in range(steps):
        world.act()
        world.check()
    world.settle()
    world.check()
    world.server.compare()
    assert same(replay(world.records), world.book)
    verifier = Verifier()
    for record in world.records:
        verifier.feed(record)
    assert verifier.state is not None
    assert same(verifier.state, world.book)
    return world


def what_happened(world: World) -> Counter[str]:
    """How often each kind of event, refusal code, origin and reason occurred."""
    found: Counter[str] = Counter()
    for body in world.bodies:
        for event in body.events:
            match event:
                case ev.CommandRefused():
                    found[f"refused {event.code}"] += 1
                case ev.BlockPlaced():
                    found[f"placed {event.kind} {event.origin}".strip()] += 1
                case ev.BlockCancelled() | ev.BlockRejected():
                    found[f"{type(event).__name__} {event.code}"] += 1
                case ev.CloseRequested():
                    found[f"close {event.reason}".strip()] += 1
                case _:
                    found[type(event).__name__] += 1
    return found


def _try(seed: int) -> tuple[int, str, Counter[str]]:
    try:
        return seed, "", what_happened(live(seed))
    except Exception as error:  # whatever it is, the seed is what has to be told
        return seed, repr(error) or type(error).__name__, Counter()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=1000, help="how many, from --first on")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--only", type=int, help="this seed alone, its failure not caught")
    chosen = parser.parse_args()
    if chosen.only is not None:
        world = live(chosen.only)
        sys.stdout.write(f"seed {chosen.only}: {len(world.records)} records, all as it must be\n")
        return 0
    began_s = time.perf_counter()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    total: Counter[str] = Counter()
    failed = 0
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for seed, problem, found in pool.map(_try, seeds, chunksize=20):
            total += found
            if problem:
                failed += 1
                sys.stdout.write(f"seed {seed}: {problem[:300]}\n")
    for name, count in sorted(total.items()):
        sys.stdout.write(f"  {count:8d}  {name}\n")
    seconds = time.perf_counter() - began_s
    sys.stdout.write(f"{len(seeds)} seeds, {failed} failed, {seconds:.0f} s\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
