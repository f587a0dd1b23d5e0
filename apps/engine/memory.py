"""How the engine's process keeps freed memory, so that big blocks do not pay for it each time."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_MMAP_FROM_BYTES = 32 << 20  # the most glibc takes
_KEEP_BYTES = 256 << 20


def keep_freed_memory() -> bool:
    """Have malloc keep what NumPy frees; False where the C library is not glibc (no harm done).

    A block of 100,000 accounts makes some hundred vectors of 800 kB. By default each is given back
    to the system and faulted in again, page by page: half of the time of deciding it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    return bool(
        mallopt(_M_MMAP_THRESHOLD, _MMAP_FROM_BYTES) and mallopt(_M_TRIM_THRESHOLD, _KEEP_BYTES)
    )
