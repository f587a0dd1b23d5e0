"""TCP ports: which, whether they are free, and what to change when not."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path

from scripts.launcher.say import StepError

# Linux hands out 32768–60999 to outgoing connections: a server there fails now and then.
EPHEMERAL_FROM = 32768
DEFAULTS = {"PORT": 8000, "LIVE_PORT": 8001, "SIM_PORT": 8002, "SMTP_PORT": 8025}


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def chosen(environ: Mapping[str, str]) -> dict[str, int]:
    """The ports by variable name; StepError when one is no port or two are the same."""
    ports: dict[str, int] = {}
    for name, default in DEFAULTS.items():
        text = environ.get(name) or str(default)
        if not text.isdigit() or not 0 < int(text) < EPHEMERAL_FROM:
            raise StepError(f"{name}={text} is not a port from 1 to {EPHEMERAL_FROM - 1}.")
        if int(text) in ports.values():
            raise StepError(f"{name}={text} is used twice: set another {name}.")
        ports[name] = int(text)
    return ports


def require_free(ports: Mapping[str, int]) -> None:
    """StepError naming the first taken port, who has it and the variable to change."""
    for name, port in ports.items():
        if not is_free(port):
            raise StepError(
                f"port {port} is taken{_holder(port)}: free it, or choose another, for example "
                f"{name}={suggestion(port, ports.values())} scripts/run"
            )


def suggestion(port: int, taken: Iterable[int]) -> int:
    """The next free port at or above `port` + 100 that is not in `taken`."""
    used = set(taken)
    for candidate in itertools.chain(range(port + 100, EPHEMERAL_FROM), range(8000, port)):
        if candidate not in used and is_free(candidate):
            return candidate
    raise StepError("no free port on this machine.")


def free_ports() -> dict[str, int]:
    """A free port for every variable, for an instance that must disturb nobody."""
    start = 20_000 + os.getpid() % 1000 * 10
    found: dict[str, int] = {}
    for name in DEFAULTS:
        found[name] = suggestion(start - 100, found.values())
    return found


def _holder(port: int) -> str:
    """` by process 12 (python)` where /proc lets us know."""
    inode = _listening_inode(port)
    if inode is None:
        return ""
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(_target(fd) == f"socket:[{inode}]" for fd in (entry / "fd").iterdir()):
                return f" by process {entry.name} ({(entry / 'comm').read_text().strip()})"
    return ""


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed in the meantime
        return ""


def _listening_inode(port: int) -> str | None:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in (row.split() for row in rows):
            if int(fields[1].rpartition(":")[2], 16) == port and fields[3] == "0A":
                return fields[9]
    return None
