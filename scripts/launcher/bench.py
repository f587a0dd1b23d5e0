"""`scripts/bench`: measurements as ratios of two times taken in the same run.

A bench is a module scripts/benches/NAME.py with a docstring, `NEEDS` (of "postgres", "redis") and
`run(*, quick) -> dict[str, float]`; a leading underscore means "not a bench".
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
from collections.abc import Sequence
from types import ModuleType

from scripts.launcher import envfile, place, postgres, redis_server
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.place import Place
from scripts.launcher.say import StepError, say
from scripts.launcher.supervisor import Supervisor, until_signalled

FOLDER = ROOT / "scripts" / "benches"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Runs a benchmark and prints its named ratios; without a name lists them.",
    )
    parser.add_argument("name", nargs="?", choices=[[], *names()], metavar="NAME")
    parser.add_argument("--json", action="store_true", help="last line: one JSON object")
    parser.add_argument(
        "--quick", action="store_true", help="small and once: shows that it works, measures nothing"
    )
    options = parser.parse_args(arguments)
    if not options.name:
        for name in names():
            about = (_module(name).__doc__ or "").strip().splitlines()
            say(f"{name:<12} {about[0] if about else ''}")
        return 0
    module = _module(options.name)
    with place.throwaway("bench") as here:
        results: dict[str, float] = {}

        async def job() -> int:
            results.update(await measured(module, here, quick=options.quick))
            return 0

        until_signalled(job)
    if not results:
        raise StepError("stopped before there was a result.")
    if options.json:
        say(json.dumps(results, sort_keys=True))
    else:
        for name, value in results.items():
            say(f"{name}: {value:.3g}")
    return 0


async def measured(module: ModuleType, here: Place, *, quick: bool) -> dict[str, float]:
    """Start what the bench needs (fsync on), run it in a thread, return its ratios."""
    async with Supervisor(here, envfile.base_environment(), quiet=True) as supervisor:
        # Never the servers named in the environment: a bench measures a machine, not a database.
        if "postgres" in module.NEEDS:
            await postgres.start(supervisor)
        if "redis" in module.NEEDS:
            await redis_server.start(supervisor)
        os.environ.update(supervisor.env)
        found: dict[str, float] = await asyncio.to_thread(module.run, quick=quick)
        return found


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"scripts.benches.{name}")
