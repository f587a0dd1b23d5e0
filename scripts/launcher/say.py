"""What the person at the terminal sees: steps with times, problems in one line."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


class StepError(Exception):
    """A step that cannot work; the message is one line that says what to do."""


class CommandFailedError(StepError):
    """A command ended with a status other than 0; `lines` is what it printed."""

    def __init__(self, message: str, lines: list[str]) -> None:
        super().__init__(message)
        self.lines = lines


def say(text: str = "") -> None:
    """Print one line; a terminal that has gone away is no reason to fail."""
    with contextlib.suppress(OSError, ValueError):
        print(text, flush=True)


def warn(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        print(f"  ! {text}", file=sys.stderr, flush=True)


def elapsed_s() -> float:
    """Seconds since the command was typed (set by bootstrap)."""
    return max(0.0, time.time() - float(os.environ.get("PRORATA_STARTED_AT", time.time())))


@contextlib.contextmanager
def step(title: str) -> Iterator[None]:
    """Show `title` while the block runs, and how long it took."""
    started_s = time.monotonic()
    say(f"  … {title}")
    yield
    say(f"  ✓ {title} ({time.monotonic() - started_s:.1f} s)")


def prefix(name: str, width: int, index: int) -> str:
    """`name     | `, coloured on a terminal (not with NO_COLOR)."""
    plain = f"{name:<{width}} | "
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return plain
    return f"\x1b[{_COLOURS[index % len(_COLOURS)]}m{plain}\x1b[0m"
