"""A real Chromium, the product on one port and a foreign site on another. No front-end packages."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from tenants.models import Broker
from tests.browser import chromium


@pytest.fixture(scope="module")
def port(own_broker: Broker) -> Iterator[int]:
    server = LiveServer("127.0.0.1")
    yield int(server.thread.port)
    server.stop()


class ForeignSite:
    """A plain page of another origin with a strict policy of its own around one script tag."""

    def __init__(self, port: int, broker_origin: str) -> None:
        self.origin = f"http://broker-site.localhost:{port}"
        self.policy = f"default-src 'none'; script-src {broker_origin}; frame-src {broker_origin}"
        self.tag = (
            f'<script src="{broker_origin}/widgets/leaderboard.js" data-theme="light"'
            ' data-limit="5" async></script>'
        )

    @property
    def page(self) -> str:
        return (
            "<!doctype html><html lang=en><title>A site</title><style>table{color:red}</style>"
            f"<h1>A broker's own site</h1>{self.tag}<p>After</p>"
        )


@pytest.fixture(scope="module")
def site(own_broker: Broker, port: int) -> Iterator[ForeignSite]:
    held: list[ForeignSite] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = held[0].page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", held[0].policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.append(ForeignSite(server.server_address[1], f"http://{own_broker.slug}.localhost:{port}"))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield held[0]
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def browser(port: int) -> Iterator[Browser]:
    with chromium(needs_vendor=False) as running:
        yield running
