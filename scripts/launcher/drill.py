"""`scripts/drill`: break a running stack on purpose, under load, and check what is left.

A drill is a module scripts/drills/NAME.py with a docstring and `disturb(scene)`; a leading
underscore means "not a drill". PostgreSQL (fsync on), Redis, the simulator and the engine are this
run's own; whatever dies is started again, as scripts/run would.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import importlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

from scripts.drills import _clock
from scripts.launcher import envfile, place, postgres, redis_server
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.place import Place
from scripts.launcher.process import Spec, Watched
from scripts.launcher.say import StepError, say
from scripts.launcher.supervisor import Supervisor, until_signalled

FOLDER = ROOT / "scripts" / "drills"
_AGAIN_S = (0.1,)
_STORE_AGAIN_S = (1.0,)
ALONE = ("clock", "disk")
"""Each on a stack of its own, whose clocks can be moved, whose disk is small."""
DISK_BYTES = 400_000_000
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
    together = [name for name in chosen if name not in ALONE]
    stacks = [together] if together else []
    stacks += [[name] for name in chosen if name in ALONE]
    if len(stacks) == 1:
        return 0 if _on_a_stack(stacks[0], long=options.long, seed=options.seed) else 1
    flags = [*(["--long"] if options.long else []), "--seed", str(options.seed)]
    return max(_in_a_process([*names, *flags]) for names in stacks)


def _in_a_process(arguments: list[str]) -> int:
    """Exit status. A process serves one stack: settings are read once."""
    argv = [sys.executable, "-m", "scripts.launcher", "drill", *arguments]
    with subprocess.Popen(argv, cwd=ROOT) as child:
        signal.signal(signal.SIGTERM, lambda *_: child.terminate())
        return child.wait()


def _on_a_stack(chosen: list[str], *, long: bool, seed: int) -> bool:
    met: list[bool] = []
    with place.throwaway("drill") as here, _disk(here, is_small="disk" in chosen) as there:

        async def job() -> int:
            met.append(await drilled(there, chosen, long=long, seed=seed))
            return 0

        until_signalled(job)
    return met == [True]


@contextlib.contextmanager
def _disk(here: Place, *, is_small: bool) -> Iterator[Place]:
    """The place with PostgreSQL's data on a small tmpfs. StepError where none can be mounted."""
    if not is_small:
        yield here
        return
    folder = here.sockets / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepError(
            f"the drill disk needs a small tmpfs, and root for it: {done.stderr.strip()}"
        )
    try:
        place.private_dir(folder, here.owner)
        yield dataclasses.replace(here, pg_data=folder / "pg")
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def _moved(argv: tuple[str, ...], clock: Path) -> tuple[str, ...]:
    """The process with a clock that the drill can move."""
    _clock.make(clock)
    what = argv[2:] if argv[1] == "-m" else argv[1:]
    return (argv[0], "-m", "scripts.drills._clock", str(clock), *what)


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
        simulator: tuple[str, ...] = (
            *(sys.executable, "-m", "apps.servers.simulator", "--faults", "--speed", "4"),
            *("--listen", env["SIM_URL"], "--data", str(here.logs / "sim")),
        )
        run_engine: tuple[str, ...] = (*python, "run_engine", "--owner", "drill/one")
        env["DRILL_DISK"] = str(here.pg_data.parent)
        if "clock" in chosen:
            env["DRILL_CLOCKS"] = str(here.run)
            _clock.make(here.run / "callers")
            simulator = _moved(simulator, here.run / "server")
            run_engine = _moved(run_engine, here.run / "engine")
        await supervisor.start(_spec("simulator", simulator, env, "listening on"))
        engine = _spec("engine", run_engine, env, "engine_st")
        if MUTANT in chosen:
            engine = _spec("engine", (sys.executable, "-m", "scripts.drills._mutant"), env, "_st")
        await supervisor.start(engine)
        os.environ.update(env)
        by_name = {process.spec.name: process for process in supervisor.all()}
        for name in ("postgres", "redis"):  # the twentieth kill is answered as soon as the first
            spec = by_name[name].spec
            by_name[name].spec = dataclasses.replace(spec, restart_delays_s=_STORE_AGAIN_S)
        return await _in_thread(lambda: _perform(chosen, by_name, long, seed))


async def _in_thread(work: Callable[[], bool]) -> bool:
    """In a thread that an interrupted drill does not wait for: its callers never give up."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bool] = loop.create_future()

    def settle(result: bool | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(bool(result))

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            loop.call_soon_threadsafe(settle, None, error)
        else:
            loop.call_soon_threadsafe(settle, result, None)

    threading.Thread(target=run, daemon=True).start()
    return await done


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
