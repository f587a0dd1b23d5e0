"""Fixtures of the launcher's tests."""

from __future__ import annotations

import pytest

from scripts.launcher import ports


@pytest.fixture
def free_port() -> int:
    return ports.free_ports()["PORT"]
