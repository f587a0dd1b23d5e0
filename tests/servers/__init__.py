"""Servers: one conformance suite for every adapter, and the simulator's own tests."""

import pytest

pytest.register_assert_rewrite("tests.servers.conformance", "tests.servers.peer")
