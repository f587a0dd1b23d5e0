"""`scripts/drill`: break a running stack on purpose, under load, and check what is left.

A drill is a module scripts/drills/NAME.py with a docstring and `disturb(scene)`; a leading
underscore means "not a drill". PostgreSQL (fsync on), Redis, the simulator and the engine are this
run's own; whatever dies is started again, as scripts/run would.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from collections.abc import Sequence
from types import ModuleType

from scripts.launcher import envfile, place, postgres, redis_server
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.place import Place
from scripts.launcher.process import Spec, Watched
from scripts.launcher.say import StepError, say
from scripts.launcher.supervisor import Supervisor, until_signalled

FOLDER = ROOT / "scripts" / "drills"
_AGAIN_S = (0.1,)
MUTANT = "mutant"
"""Must fail: it runs only when it is named."""


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/drill",
        description="Runs drills (all but the mutant, when none is named) and prints figures and"
        " checks. Exit status 0 when every check of every drill is met, else 1.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()))
    parser.add_argument("--long", action="store_true", help="minutes each: 100 kills, and so on")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--list", action="store_true", help="what there is")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(names())):
        raise StepError(f"no such drill: {unknown[0]}. There are: {', '.join(names())}.")
    if options.list:
        for name in names():
            say(f"{name:<10} {(_module(name).__doc__ or '').strip().splitlines()[0]}")
        return 0
    chosen = options.names or [name for name in names() if name != MUTANT]
    met: list[bool] = []
    with place.throwaway("drill") as here:

        async def job() -> int:
            met.append(await drilled(here, chosen, long=options.long, seed=options.seed))
            return 0

        until_signalled(job)
    return 0 if met == [True] else 1


async def drilled(here: Place, chosen: list[str], *, long: bool, seed: int) -> bool:
    """Start everything, perform the drills in a thread; whether all checks were met."""
    async with Supervisor(here, envfile.base_environment(), quiet=True) as supervisor:
        # Never the servers named in the environment: they are about to be killed.
        await postgres.start(supervisor)
        await redis_server.start(supervisor)
        env = supervisor.env
        env["SIM_URL"] = f"unix:{here.sockets}/sim.sock"
        env["ENGINE_PID_FILE"] = str(here.run / "engine.number")
        env.setdefault("DEBUG", "1")
        python = (sys.executable, "manage.py")
        await supervisor.run_to_end("prepare", (*python, "prepare_database"), ROOT)
        simulator = (
            *(sys.executable, "-m", "apps.servers.simulator", "--faults", "--speed", "4"),
            *("--listen", env["SIM_URL"], "--data", str(here.logs / "sim")),
        )
        await supervisor.start(_spec("simulator", simulator, env, "listening on"))
        engine = _spec("engine", (*python, "run_engine", "--owner", "drill/one"), env, "engine_st")
        if MUTANT in chosen:
            engine = _spec("engine", (sys.executable, "-m", "scripts.drills._mutant"), env, "_st")
        await supervisor.start(engine)
        os.environ.update(env)
        by_name = {process.spec.name: process for process in supervisor.all()}
        return await asyncio.to_thread(_perform, chosen, by_name, long, seed)


def _spec(name: str, argv: tuple[str, ...], env: dict[str, str], ready: str) -> Spec:
    return Spec(
        name=name,
        argv=argv,
        env=dict(env),
        cwd=ROOT,
        ready_line=ready,
        restart_delays_s=_AGAIN_S,
        quiet=True,
    )


def _perform(chosen: list[str], watched: dict[str, Watched], long: bool, seed: int) -> bool:
    import django

    django.setup()
    from scripts.drills import _scene

    results = [
        _scene.perform(name, _module(name), watched, long=long, seed=seed + number)
        for number, name in enumerate(chosen)
    ]
    return all(results)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"scripts.drills.{name}")
