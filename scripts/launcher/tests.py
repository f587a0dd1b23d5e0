"""`scripts/test`: pytest on PostgreSQL and Redis servers of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence

from scripts.launcher import envfile, frontend, locales, packages, place, servers
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.say import say
from scripts.launcher.supervisor import Supervisor

WORKERS_MAX = 8
_HELP = """usage: scripts/test [pytest arguments]

Runs the tests in parallel (one worker a core, at least 2, at most 8; `-n 0` for none) on a
PostgreSQL and a Redis of their own, which are deleted afterwards; DATABASE_URL and REDIS_URL in
the environment take their place. Exit status and last line are pytest's.
"""


def main(arguments: Sequence[str]) -> int:
    if arguments and arguments[0] in {"-h", "--help"}:
        say(_HELP)
        return 0
    packages.ensure_for_documents()
    packages.ensure_chromium()
    frontend.ensure()
    locales.ensure()
    with place.throwaway("test") as here:
        # Ctrl-C is pytest's: it ends its workers and reports; then the servers are stopped.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        return asyncio.run(run(here, list(arguments)))


async def run(here: place.Place, arguments: list[str]) -> int:
    env = {**os.environ, "PATH": envfile.base_environment()["PATH"], "PYTHONUNBUFFERED": "1"}
    env.setdefault("DEBUG", "1")
    workers = max(2, min(os.cpu_count() or 2, WORKERS_MAX))
    async with Supervisor(here, env, quiet=True) as supervisor:
        # Without fsync: the data is thrown away, and every worker creates a database.
        await servers.start(supervisor, fsync=False)
        pytest = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pytest", "-n", str(workers), *arguments),
            cwd=ROOT,
            env=env,
        )
        try:
            code = await pytest.wait()
            return code if code >= 0 else 128 - code  # ended by a signal, as a shell says it
        finally:
            if pytest.returncode is None:
                pytest.terminate()
                await pytest.wait()
