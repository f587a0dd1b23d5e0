"""A real Chromium for tests: one fixture, imported by the conftest of whoever drives it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Per module, so that no event loop outlives it.

    Skips where there is no Chromium, or the front-end packages are not there.
    """
    if not CHROMIUM.exists():
        pytest.skip("no Chromium: apt-get install chromium")
    if not (Path(settings.BASE_DIR) / "static/vendor/htmx/htmx.min.js").exists():
        pytest.skip("the front-end packages are not installed: scripts/test brings them")
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"  # sync Playwright keeps a loop in this thread
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield chromium
        chromium.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
