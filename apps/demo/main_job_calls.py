"""Calling the engine as a careful caller does: an unknown outcome is asked again, same id."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from apps.core.errors import UnavailableError, UnknownOutcomeError

PATIENCE_S = 60.0


T = TypeVar("T")


def patiently(
    call: Callable[[], T],
    patience_s: float = PATIENCE_S,
    on_unknown: Callable[[], None] = lambda: None,
) -> T:
    """Repeat `call` (always the same command) while nobody is there or nobody answers.

    Raises what the engine decided, or the last error when patience ends.
    """
    deadline_s = time.monotonic() + patience_s
    while True:
        try:
            return call()
        except (UnavailableError, UnknownOutcomeError) as error:
            if isinstance(error, UnknownOutcomeError):
                on_unknown()
            if time.monotonic() > deadline_s:
                raise
            time.sleep(0.1)
