"""The product's processes for benches that measure them from outside, and books to trade on."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from scripts.launcher.bootstrap import ROOT

MANAGE = (sys.executable, "manage.py")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@contextmanager
def simulator() -> Iterator[Path]:
    """Django set up, the database prepared, the simulator listening; a folder for logs."""
    folder = Path(tempfile.mkdtemp(prefix="pb"))
    os.environ["SIM_URL"] = f"unix:{folder}/s"
    os.environ.setdefault("DEBUG", "1")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    from tenants.services import prepare_database

    prepare_database("localhost")
    argv = (sys.executable, "-m", "apps.servers.simulator", "--listen", os.environ["SIM_URL"])
    try:
        with process(folder, "simulator", *argv, "--data", str(folder / "sim")):
            until(lambda: (folder / "s").exists(), "the simulator listens")
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def process(folder: Path, name: str, *argv: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this bench's own, ended at the end of the block; its log is in `folder`."""
    with (folder / f"{name}.log").open("ab") as log:
        running = subprocess.Popen(argv, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(15)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@contextmanager
def engines(folder: Path, *brokers: tuple[str, ...]) -> Iterator[list[int]]:
    """An engine process for each tuple of brokers (of all, when it is empty); their pids."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                process(
                    folder,
                    f"engine{number}",
                    *MANAGE,
                    "run_engine",
                    *("--owner", f"bench/{number}"),
                    *(part for slug in served for part in ("--broker", slug)),
                )
            ).pid
            for number, served in enumerate(brokers)
        ]


def stage(broker: str, accounts: int, seed: int) -> Any:
    """A new book of so many linked accounts (`apps.demo.main_job_setup.Stage`)."""
    from apps.demo.main_job_setup import make_stage

    return make_stage(broker, accounts, seed=seed, say=lambda _: None)


def until(true: Callable[[], object], what: str, within_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline_s:
            raise TimeoutError(f"not within {within_s:g} s: {what}")
        time.sleep(0.02)


def cpu_s(pid: int) -> float:
    """Processor time that a process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
