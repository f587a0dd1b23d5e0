"""A small server that speaks enough of Stripe's HTTP interface for the real client."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk_test_fake"
SECRET = "whsec_fake"


class FakeStripe:
    """What the server holds. Tests change it as a customer or Stripe itself would."""

    def __init__(self) -> None:
        self.base = ""
        self.customers: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, list[dict[str, Any]]] = {}
        self.invoices: dict[str, list[dict[str, Any]]] = {}
        self.meter_events: dict[str, dict[str, str]] = {}
        self.sessions: list[dict[str, str]] = []
        self.requests: list[tuple[str, str]] = []
        self.failing = 0  # so many answers from now on are 500
        self.hold: threading.Event | None = None  # answers to lists wait for it
        self.asked = threading.Event()  # a list was asked for
        self._by_key: dict[str, dict[str, Any]] = {}
        self._ids = count(1)

    def subscribe(self, customer: str, status: str = "active", price: str = "price_pro") -> None:
        """The customer's newest subscription, created or changed to `status`."""
        rows = self.subscriptions.setdefault(customer, [])
        if rows and rows[-1]["status"] not in ("canceled", "incomplete_expired"):
            rows[-1]["status"] = status
            return
        now = int(time.time())
        item = {
            "id": "si_1", "object": "subscription_item",
            "price": {"id": price, "object": "price"}, "current_period_end": now + 31 * 86400,
        }  # fmt: skip
        rows.append(
            {
                "id": f"sub_{next(self._ids)}",
                "object": "subscription",
                "customer": customer,
                "status": status,
                "created": now + len(rows),
                "items": {"object": "list", "data": [item]},
            }
        )

    def bill(self, customer: str, total: int, status: str = "open") -> dict[str, Any]:
        made = {
            "id": f"in_{next(self._ids)}", "object": "invoice", "customer": customer,
            "number": f"PRO-{next(self._ids):04d}", "currency": "usd", "total": total,
            "status": status, "created": int(time.time()), "status_transitions": {"paid_at": None},
            "hosted_invoice_url": "https://invoice.stripe.example/1",
        }  # fmt: skip
        self.invoices.setdefault(customer, []).insert(0, made)
        return made

    def answer(self, method: str, path: str, form: dict[str, str], key: str) -> tuple[int, Any]:
        """(status, body) of one request."""
        if method == "POST" and key and key in self._by_key:
            return 200, self._by_key[key]
        status, body = self._route(method, path, form)
        if method == "POST" and key and status == 200:
            self._by_key[key] = body
        return status, body

    def _route(self, method: str, path: str, form: dict[str, str]) -> tuple[int, Any]:
        customer = form.get("customer", "")
        if (method, path) == ("POST", "/v1/customers"):
            made = {"id": f"cus_{next(self._ids)}", "object": "customer", **form}
            self.customers[made["id"]] = made
            return 200, made
        if (method, path) == ("GET", "/v1/subscriptions"):
            return 200, _list(path, self.subscriptions.get(customer, []))
        if (method, path) == ("GET", "/v1/invoices"):
            return 200, _list(path, self.invoices.get(customer, []))
        if method == "POST" and path in ("/v1/checkout/sessions", "/v1/billing_portal/sessions"):
            self.sessions.append(form)
            kind = "checkout" if "checkout" in path else "billing"
            return 200, {"id": "cs_1", "object": "session", "url": f"https://{kind}.stripe.com/1"}
        if (method, path) == ("POST", "/v1/billing/meter_events"):
            return self._meter(form)
        return 404, {"error": {"type": "invalid_request_error", "message": f"no {path}"}}

    def _meter(self, form: dict[str, str]) -> tuple[int, Any]:
        identifier = form["identifier"]
        if identifier in self.meter_events:
            text = f"An event already exists with identifier {identifier}."
            return 400, {"error": {"type": "invalid_request_error", "message": text}}
        self.meter_events[identifier] = form
        return 200, {"object": "billing.meter_event", "identifier": identifier}


def _list(path: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"object": "list", "url": path, "has_more": False, "data": json.loads(json.dumps(rows))}


def _handler(fake: FakeStripe) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            form = {name: values[0] for name, values in parse_qs(parts.query or body).items()}
            fake.requests.append((self.command, parts.path))
            status, found = self._found(parts.path, form)
            if self.command == "GET" and fake.hold is not None:
                fake.asked.set()
                fake.hold.wait(10)
            text = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def _found(self, path: str, form: dict[str, str]) -> tuple[int, Any]:
            if self.headers.get("Authorization") != f"Bearer {KEY}":
                return 401, {"error": {"type": "invalid_request_error", "message": "bad key"}}
            if fake.failing:
                fake.failing -= 1
                return 500, {"error": {"type": "api_error", "message": "down"}}
            return fake.answer(self.command, path, form, self.headers.get("Idempotency-Key", ""))

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


@contextmanager
def fake_stripe() -> Iterator[FakeStripe]:
    """The server on a free port; `base` is its address."""
    fake = FakeStripe()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(fake))
    server.daemon_threads = True
    fake.base = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
