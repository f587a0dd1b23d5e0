"""Placing a block through the HTTP API, against an API call that commits one row.

Everything for real: granian, Django and the key's checks, Redis, an engine process, PostgreSQL
with fsync. One connection; the two calls in turns. The one-row call has the same authentication,
rate limit and parsing, and writes one audit entry.
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import time
import uuid
from contextlib import ExitStack
from typing import Any

from scripts.benches import _stack

NEEDS = ("postgres", "redis")
BROKER = "bench"
SIZES = {100: 150, 1_000: 150}
QUICK_SIZES = {5: 3}


def run(*, quick: bool = False) -> dict[str, float]:
    """Ratios; the times are printed."""
    results: dict[str, float] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(_stack.simulator())
        stack.enter_context(_stack.engines(folder, ()))
        port = _stack.free_port()
        stack.enter_context(
            _stack.process(
                folder,
                "web",
                *(sys.executable, "-m", "granian", "--interface", "wsgi", "--no-ws"),
                *("--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
                *("--blocking-threads", "4", "scripts.benches._one_row:application"),
            )
        )
        _stack.until(lambda: _stack.answers(port), "the web process answers")
        for accounts, rounds in (QUICK_SIZES if quick else SIZES).items():
            stage = _stack.stage(BROKER, accounts, seed=accounts)
            calls = _Calls(port, _key(), stage.book_id, accounts)
            results.update(_measure(calls, accounts, rounds))
    return results


def _measure(calls: _Calls, accounts: int, rounds: int) -> dict[str, float]:
    times_ms: dict[str, list[float]] = {"place": [], "row": []}
    for _ in range(rounds + 1):
        times_ms["place"].append(calls.place())
        times_ms["row"].append(calls.one_row())
    place, row = (values[1:] for values in times_ms.values())  # the first opens connections
    ratio = statistics.median(place) / statistics.median(row)
    print(
        f"{accounts:>6,} accounts: place {statistics.median(place):.2f} ms"
        f" (least {min(place):.2f}),"
        f" one row {statistics.median(row):.2f} ms (least {min(row):.2f})"
    )
    return {
        f"place_over_one_row_{accounts}": round(ratio, 3),
        f"least_place_over_least_one_row_{accounts}": round(min(place) / min(row), 3),
    }


class _Calls:
    """Two calls over one kept connection; each returns its milliseconds."""

    def __init__(self, port: int, key: str, book_id: uuid.UUID, accounts: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._key, self._book_id = key, book_id
        self._lots = f"{accounts * 3 / 100:.2f}"

    def place(self) -> float:
        order = {"symbol": "EURUSD", "side": "buy", "lots": self._lots}
        return self._post(f"/api/v1/books/{self._book_id}/blocks", order)

    def one_row(self) -> float:
        return self._post("/bench/one-row", {"symbol": "EURUSD", "side": "buy"})

    def _post(self, path: str, body: dict[str, Any]) -> float:
        headers = {
            "Host": f"{BROKER}.localhost",
            "Authorization": f"Bearer {self._key}",
            "Content-Type": "application/json",
            "Idempotency-Key": uuid.uuid4().hex,
        }
        began_s = time.perf_counter()
        self._connection.request("POST", path, json.dumps(body), headers)
        answer = self._connection.getresponse()
        said = answer.read()
        spent_ms = (time.perf_counter() - began_s) * 1000
        assert answer.status == 201, said
        return spent_ms


def _key() -> str:
    """A key of the stage's manager that no rate limit stops."""
    from django.db import close_old_connections

    from apps.accounts.api_keys import create_key
    from apps.accounts.models import Master
    from tenants.door import broker_schema

    with broker_schema(BROKER):
        manager = Master.objects.order_by("-pk")[0].manager
        key, text = create_key(manager, manager, "bench", ["read", "trade"])
        key.rate_per_minute = 1_000_000
        key.save(update_fields=["rate_per_minute"])
    close_old_connections()
    return text
