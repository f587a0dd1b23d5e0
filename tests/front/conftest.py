"""A real Chromium on a real server, per module, so that no event loop outlives it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tenants.models import Broker
from tests.browser import chromium


@pytest.fixture(scope="module")
def port(own_broker: Broker) -> Iterator[int]:
    """The port of a server on committed data, DEBUG on (for the page of components)."""
    with override_settings(DEBUG=True):
        server = LiveServer("127.0.0.1")
        yield int(server.thread.port)
        server.stop()


@pytest.fixture(scope="module")
def browser(port: int) -> Iterator[Browser]:
    with chromium() as running:
        yield running
