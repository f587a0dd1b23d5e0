"""Documents speak the languages of locale/: compiled here when a test runs without the scripts."""

from __future__ import annotations

import pytest

from scripts.launcher import locales


@pytest.fixture(scope="session", autouse=True)
def catalogues() -> None:
    locales.ensure()
