"""`scripts/run --smoke`: all of it headless, the main job, a verdict; then nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import shutil

from scripts.launcher import envfile, frontend, locales, lock, packages, place, ports, stack
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.place import Place
from scripts.launcher.say import CommandFailedError, StepError, elapsed_s, say, warn
from scripts.launcher.strays import end_strays
from scripts.launcher.supervisor import Supervisor, until_signalled

_OF_ITS_OWN = ("SIM_URL", "EMAIL_URL", "MAIL_DIR", "SIM_DIR", "MEDIA_ROOT")


def main(seconds: int) -> int:
    """0 when the main job passed within `seconds`, else 1. Installing is not counted."""
    here = place.permanent("smoke")
    with lock.sole(here.run / "smoke.lock", "a smoke run"):
        packages.ensure_for_documents()
        frontend.ensure()
        locales.ensure()
        env = environment(here)
        forget_last(here)
        verdict = "stopped by a signal"

        async def job() -> int:
            nonlocal verdict
            verdict = await bounded(here, env, seconds)
            return 0

        try:
            until_signalled(job)
        finally:
            forget_last(here)
        if verdict:
            warn(f"the logs are in {here.logs}")
            say(f"smoke: FAILED after {elapsed_s():.0f} s: {verdict}")
            return 1
        say(f"smoke: passed in {elapsed_s():.0f} s")
        return 0


def environment(here: Place) -> dict[str, str]:
    """As of scripts/run, but with ports of its own and `.env` left aside: it names real servers."""
    dotenv = envfile.read_env(ROOT / ".env")
    base = {
        name: value
        for name, value in envfile.base_environment().items()
        if name not in _OF_ITS_OWN and (name in os.environ or name not in dotenv)
    }
    return stack.environment(base, here, ports.free_ports())


def forget_last(here: Place) -> None:
    """Every smoke run starts from nothing and leaves only its logs."""
    end_strays(here.marker, here.run)
    for folder in stack.clear(here):
        if folder != here.logs:
            shutil.rmtree(folder, ignore_errors=True)


async def bounded(here: Place, env: dict[str, str], seconds: int) -> str:
    """Empty when all is well, else why not."""
    try:
        async with Supervisor(here, env, quiet=True) as supervisor:
            async with asyncio.timeout(seconds):
                await stack.start(supervisor)
                return await main_job(supervisor)
    except StepError as error:
        return str(error)
    except TimeoutError:
        return f"not done within {seconds} s"


async def main_job(supervisor: Supervisor) -> str:
    """Run `manage.py main_job --json`; its status and its JSON decide."""
    say("  … main job")
    supervisor.quiet = False
    failure = ""
    try:
        lines = await supervisor.run_to_end("main_job", (*stack.MANAGE, "main_job", "--json"), ROOT)
    except CommandFailedError as error:
        lines, failure = error.lines, str(error)
    finally:
        supervisor.quiet = True
    summary = next((line for line in reversed(lines) if line.startswith("{")), None)
    if summary is None:
        return failure or "main_job --json printed no JSON object"
    for name, value in json.loads(summary).items():
        say(f"  {name}: {value if isinstance(value, str | int | float) else json.dumps(value)}")
    return failure
