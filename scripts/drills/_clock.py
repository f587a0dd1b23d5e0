"""A wall clock that can be moved while a process runs: python -m scripts.drills._clock FILE NAME …

`time.time` and `time.time_ns` of this process are shifted by the milliseconds that FILE holds (8
bytes, little-endian), then the module or script NAME is run with the arguments after it. Timers
use the monotonic clock, which a jump does not touch, here as in life.
"""

from __future__ import annotations

import mmap
import runpy
import sys
import time
from pathlib import Path


def make(path: Path) -> None:
    """A clock that is right."""
    path.write_bytes(bytes(8))


def shift(path: Path, offset_ms: int) -> None:
    """From now on the clock shows this much more (or less) than it is."""
    with path.open("r+b") as file:
        file.write(offset_ms.to_bytes(8, "little", signed=True))


def install(path: Path) -> None:
    """Shift this process's clock by what the file holds, now and later."""
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    right_ns = time.time_ns

    def shifted_ns() -> int:
        return right_ns() + int.from_bytes(shared[:8], "little", signed=True) * 1_000_000

    time.time_ns = shifted_ns
    time.time = lambda: shifted_ns() / 1e9


if __name__ == "__main__":
    install(Path(sys.argv[1]))
    name = sys.argv[2]
    sys.argv = sys.argv[2:]
    if name.endswith(".py"):
        sys.path.insert(0, "")
        runpy.run_path(name, run_name="__main__")
    else:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
