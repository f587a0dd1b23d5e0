"""A real Chromium for tests; each room's conftest makes its own module-scoped fixture of it.

Ask for the servers first: a browser that closes before its server leaves no kept-alive connection
for the server to wait on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connections
from playwright.sync_api import Browser, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
PATIENCE_MS = 15_000
"""A loaded machine is slow; what a page shows in the end is what is asserted."""
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium(*, needs_vendor: bool = True) -> Iterator[Browser]:
    """Per module, so that no event loop outlives it.

    Skips where there is no Chromium, or the front-end packages are needed and not there.
    """
    if not CHROMIUM.exists():
        pytest.skip("no Chromium: apt-get install chromium")
    vendor = Path(settings.BASE_DIR) / "static/vendor/htmx/htmx.min.js"
    if needs_vendor and not vendor.exists():
        pytest.skip("the front-end packages are not installed: scripts/test brings them")
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # sync Playwright keeps a loop in this thread
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield running
        connections.close_all()  # under Playwright's loop this thread has a connection of its own
        running.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
