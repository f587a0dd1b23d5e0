"""`scripts/run`: everything on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
from collections.abc import Sequence

from scripts.launcher import envfile, frontend, locales, lock, packages, place, ports, smoke, stack
from scripts.launcher.place import Place
from scripts.launcher.say import StepError, elapsed_s, say, step
from scripts.launcher.supervisor import Supervisor, until_signalled

_EPILOG = """
Ports (below 32768): PORT 8000 pages and API, LIVE_PORT 8001 sockets, SIM_PORT 8002 simulator,
SMTP_PORT 8025 mail box. BIND 127.0.0.1 is the address that pages and sockets listen on.
DATABASE_URL and REDIS_URL, in the environment or in .env, take the place of the embedded servers.
Mail is kept as files in var/mail, logs in var/log.
"""


def parser() -> argparse.ArgumentParser:
    found = argparse.ArgumentParser(
        prog="scripts/run",
        description="Starts Prorata: servers, demo data, all processes. Ctrl-C stops everything.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument(
        "--smoke",
        action="store_true",
        help="beside a running instance or without one: start all on ports and data of its own, "
        "run the main job, verify, stop; exit status 0 or 1",
    )
    found.add_argument(
        "--seconds",
        type=int,
        default=240,
        metavar="N",
        help="the most --smoke may take (240), installing aside",
    )
    found.add_argument(
        "--reset", action="store_true", help="delete all data (asks first), then start afresh"
    )
    found.add_argument("--yes", action="store_true", help="do not ask before --reset")
    return found


def main(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    if options.smoke:
        return smoke.main(options.seconds)
    here = place.permanent("run")
    with lock.sole(here.run / "run.lock", "Prorata"):
        base = envfile.base_environment()
        if options.reset:
            reset(here, base, asked=options.yes)
        chosen = ports.chosen(base)
        packages.ensure_for_documents()
        frontend.ensure()
        locales.ensure()
        env = stack.environment(base, here, chosen)
        try:
            status = until_signalled(lambda: serve(here, env, chosen))
        finally:
            envfile.CURRENT.unlink(missing_ok=True)
        say("stopped; the data is kept.")
        return status


async def serve(here: Place, env: dict[str, str], chosen: dict[str, int]) -> int:
    """Start all, print where to go, wait for a signal."""
    async with Supervisor(here, env) as supervisor:
        # After the strays of a killed start are gone: they may have held the ports.
        ports.require_free(chosen)
        logins = await stack.start(supervisor)
        envfile.write_env(envfile.CURRENT, stack.for_other_terminals(env))
        for text in welcome(chosen, logins):
            say(text)
        await asyncio.Event().wait()
    return 0


def welcome(chosen: dict[str, int], logins: Sequence[stack.Login]) -> list[str]:
    """URLs and log-ins of the demo."""
    port = chosen["PORT"]
    brokers = list(dict.fromkeys(login.broker for login in logins))
    hosts = ["localhost", *(f"{broker}.localhost" for broker in brokers)]
    lines = ["", f"Prorata is running ({elapsed_s():.0f} s). Ctrl-C stops it.", ""]
    lines += [f"  http://{host}:{port}" for host in hosts]
    lines += [f"  http://localhost:{port}/status", ""]
    widths = [
        max((len(getattr(login, name)) for login in logins), default=0)
        for name in ("broker", "role", "email", "password")
    ]
    for login in logins:
        cells = (login.broker, login.role, login.email, login.password)
        row = "  ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        lines.append(f"  {row}  {login.url}")
    return [*lines, ""]


def reset(here: Place, base: dict[str, str], *, asked: bool) -> None:
    """Delete this instance's data; StepError when the answer is no or the data is not ours."""
    if base.get("DATABASE_URL"):
        raise StepError("DATABASE_URL names a server of yours: drop and create that database.")
    folders = [folder for folder in stack.clear(here) if folder.exists()]
    if not asked:
        if not sys.stdin.isatty():
            raise StepError("--reset deletes all data: add --yes when nobody can be asked.")
        answer = input(f"Delete {', '.join(str(folder) for folder in folders)}? [y/N] ")
        if answer.strip().lower() not in {"y", "yes"}:
            raise StepError("nothing was deleted.")
    with step("deleting the old data"):
        from scripts.launcher.strays import end_strays

        end_strays(here.marker, here.run)
        for folder in folders:
            shutil.rmtree(folder)
        here.logs.mkdir(exist_ok=True)
