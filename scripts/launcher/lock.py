"""One running instance per project directory: a lock that dies with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from scripts.launcher.say import StepError


@contextlib.contextmanager
def sole(path: Path, what: str) -> Iterator[None]:
    """Hold `path` while the block runs; StepError naming the holder's pid when it is taken.

    The kernel frees the lock when the holder dies, however it dies: no stale lock files.
    """
    with path.open("a+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            pid = held.read().strip() or "?"
            raise StepError(
                f"{what} is already running (process {pid}): use that one, or stop it by Ctrl-C "
                f"there or `kill {pid}`."
            ) from None
        held.truncate(0)
        held.write(f"{os.getpid()}\n")
        held.flush()
        yield
        held.truncate(0)
