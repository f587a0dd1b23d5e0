"""Processes of an instance that outlived their supervisor (it was killed with -9).

Two marks find them on Linux: every child carries PRORATA_INSTANCE in its environment, which its
own children inherit; and the supervisor notes each child's pid and start time, because some
servers (Redis) write their title over their environment. Elsewhere nothing is found.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

VARIABLE = "PRORATA_INSTANCE"


def start_ticks(pid: int) -> str | None:
    """When `pid` started, in clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def note(notes: Path, name: str, pid: int) -> None:
    """Remember that `pid` is the process `name`."""
    (notes / f"{name}.proc").write_text(f"{pid} {start_ticks(pid)}\n")


def find_strays(marker: str, notes: Path) -> list[int]:
    """Pids (not our own) that carry `marker` or are noted and still the same process."""
    wanted = f"{VARIABLE}={marker}".encode()
    found = {pid for pid in _noted(notes) if start_ticks(pid)}
    for entry in Path("/proc").glob("[0-9]*"):
        pid = int(entry.name)
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and start_ticks(pid):
                found.add(pid)
    return sorted(found - {os.getpid()})


def _noted(notes: Path) -> set[int]:
    found: set[int] = set()
    for record in notes.glob("*.proc"):
        fields = record.read_text().split()
        if len(fields) == 2 and start_ticks(int(fields[0])) == fields[1]:
            found.add(int(fields[0]))
    return found


def end_strays(marker: str, notes: Path, grace_s: float = 4.0) -> int:
    """Ask them to stop, kill what has not after `grace_s`; how many there were."""
    first = find_strays(marker, notes)
    # SIGINT is PostgreSQL's fast shutdown (SIGTERM would wait for its clients).
    for sent in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        for pid in find_strays(marker, notes):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sent)
        until_s = time.monotonic() + grace_s / 2
        while time.monotonic() < until_s and find_strays(marker, notes):
            time.sleep(0.05)
    for record in notes.glob("*.proc"):
        record.unlink(missing_ok=True)
    return len(first)
