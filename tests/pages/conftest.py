"""A server on committed data of one broker, with one of everything, and a Chromium."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker
from pytest_django.live_server_helper import LiveServer

from tenants.models import Broker
from tests.browser import chromium
from tests.permissions.scene import Scene, make_scene


@pytest.fixture(scope="module")
def scene(own_broker: Broker, django_db_blocker: DjangoDbBlocker) -> Scene:
    with django_db_blocker.unblock():
        return make_scene(own_broker.slug, own_broker.slug)


@pytest.fixture(scope="module")
def port(scene: Scene) -> Iterator[int]:
    """DEBUG on, for the page of components."""
    with override_settings(DEBUG=True):
        server = LiveServer("127.0.0.1")
        yield int(server.thread.port)
        server.stop()


@pytest.fixture(scope="module")
def browser(port: int) -> Iterator[Browser]:
    with chromium() as running:
        yield running
