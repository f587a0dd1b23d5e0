"""Messages to 200, 1,000 and 2,000 investors' sockets, beside Starlette and picows; slow readers.

Each investor's socket has an account and a ticket of its own. A frame of the whole book and a
quote are published ten times a second; a socket is sent its own figures at most five times. The
other servers send the same bytes as often and do nothing else. The figure is messages per second
of processor time of the serving process, so that other work on the machine does not count.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from scripts.benches import _stack
from scripts.launcher.bootstrap import ROOT

NEEDS = ("postgres", "redis")
BROKER = "bench"
SIZES, SECONDS, SILENT = (200, 1_000, 2_000), 6.0, 500
QUICK = ((5,), 1.0, 3)
SYMBOLS = 7


def run(*, quick: bool = False) -> dict[str, float]:
    """Ratios; the figures are printed."""
    sizes, seconds, silent = QUICK if quick else (SIZES, SECONDS, SILENT)
    results: dict[str, float] = {}
    with ExitStack() as stack:
        folder = stack.enter_context(_stack.simulator())
        book = _Book(max(sizes))
        stack.enter_context(book.publishing())
        port = _stack.free_port()
        pid = stack.enter_context(
            _stack.process(
                folder,
                "live",
                *(sys.executable, "-m", "uvicorn", "config.asgi:application", "--no-access-log"),
                *("--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"),
            )
        ).pid
        _stack.until(lambda: _stack.answers(port), "the live process answers")
        for size in sizes:
            ours = _watched(pid, port, book.sessions[:size], seconds)
            others = {
                kind: _other(folder, kind, ours["sample"], size, seconds)
                for kind in ("starlette", "picows")
            }
            results.update(_told(size, ours, others))
        results.update(_silent(pid, port, book.sessions, silent, seconds))
    return results


def _told(size: int, ours: dict[str, Any], others: dict[str, dict[str, Any]]) -> dict[str, float]:
    latency = ours["latencies_ms"]
    print(
        f"{size:>6,} sockets: {ours['per_cpu_s']:9,.0f} messages/s of processor time"
        f" ({ours['messages']:,} of {len(ours['sample'])} bytes), starlette"
        f" {others['starlette']['per_cpu_s']:9,.0f}, picows {others['picows']['per_cpu_s']:9,.0f};"
        f" published to received: median {statistics.median(latency):.0f} ms, p99"
        f" {_p99(latency):.0f} ms"
    )
    return {
        f"messages_over_{kind}_{size}": round(ours["per_cpu_s"] / other["per_cpu_s"], 3)
        for kind, other in others.items()
    }


def _silent(
    pid: int, port: int, sessions: list[str], silent: int, seconds: float
) -> dict[str, float]:
    """Sockets that never read: what they cost the others, and in memory."""
    readers = sessions[: max(1, min(200, len(sessions) - silent))]
    alone = _watched(pid, port, readers, seconds)
    before = _rss_mb(pid)
    with ExitStack() as stack:
        for session in sessions[len(readers) :][:silent]:
            stack.enter_context(_deaf_socket(port, session))
        beside = _watched(pid, port, readers, seconds)
        first = _rss_mb(pid)
        time.sleep(seconds)
        then = _rss_mb(pid)
    print(
        f"{silent} sockets that never read: p99 of {len(readers)} others"
        f" {_p99(alone['latencies_ms']):.0f} → {_p99(beside['latencies_ms']):.0f} ms; memory"
        f" {before:.0f} → {first:.0f} → {then:.0f} MB"
    )
    return {
        "p99_beside_silent_over_alone": round(
            _p99(beside["latencies_ms"]) / _p99(alone["latencies_ms"]), 3
        ),
        "silent_memory_growth_mb": round(then - first, 1),
    }


@contextmanager
def _deaf_socket(port: int, session: str) -> Iterator[None]:
    """A handshake, and then not one byte is read."""
    with socket.socket() as made:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        made.connect(("127.0.0.1", port))
        lines = [
            "GET /ws/portfolio HTTP/1.1",
            f"Host: {_host(port)}",
            f"Origin: http://{_host(port)}",
            f"Cookie: {session}",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ]
        made.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        yield


def _watched(pid: int, port: int, sessions: list[str], seconds: float) -> dict[str, Any]:
    """What sockets of these sessions are told in so many seconds."""
    asked = {
        "host": _host(port),
        "port": port,
        "path": "/ws/portfolio",
        "sessions": sessions,
        "seconds": seconds,
    }
    viewers = subprocess.Popen(
        [sys.executable, "-m", "scripts.benches._viewers"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert viewers.stdin is not None
    assert viewers.stdout is not None
    with viewers:
        viewers.stdin.write(json.dumps(asked) + "\n")
        viewers.stdin.flush()
        assert viewers.stdout.readline() == "ready\n"
        time.sleep(min(1.0, seconds))
        used_s = _stack.cpu_s(pid)
        viewers.stdin.write("now\n")
        viewers.stdin.flush()
        said: dict[str, Any] = json.loads(viewers.stdout.readline())
        used_s = _stack.cpu_s(pid) - used_s
    return {**said, "per_cpu_s": said["messages"] / max(used_s, 0.01)}


def _other(folder: Path, kind: str, text: str, size: int, seconds: float) -> dict[str, Any]:
    sample = folder / "sample"
    sample.write_text(text)
    port = _stack.free_port()
    argv = (sys.executable, "-m", "scripts.benches._live_server", kind, str(port), str(sample))
    with _stack.process(folder, kind, *argv) as other:
        _stack.until(lambda: _stack.answers(port), f"{kind} answers")
        return _watched(other.pid, port, ["none=1"] * size, seconds)


def _host(port: int) -> str:
    return f"{BROKER}.localhost:{port}"


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 1e6


class _Book:
    """A book of so many investors, each logged in, each with an account and a ticket."""

    def __init__(self, investors: int) -> None:
        from tenants.door import broker_schema
        from tenants.services import NewBroker, create_broker

        create_broker(NewBroker(BROKER, "Bench", f"{BROKER}.localhost", "a@bench.example"))
        with broker_schema(BROKER):
            self._fill(investors)

    def _fill(self, investors: int) -> None:
        from django.conf import settings

        from apps.accounts.models import (
            Link,
            Master,
            Role,
            Symbol,
            TradingAccount,
            TradingServer,
            User,
        )
        from apps.allocation.models import Ticket
        from apps.engine.models import ProjectionCursor

        server = TradingServer(name="s", kind=TradingServer.Kind.SIMULATOR, config={})
        server.set_secret("bench")
        server.save()
        names = ["EURUSD", *(f"CFD{number}" for number in range(SYMBOLS - 1))]
        Symbol.objects.bulk_create(
            Symbol(
                server=server, name=name, digits=5, contract_size=100_000, volume_step="0.01",
                volume_min="0.01", volume_max=1_000, base_currency=name[:3],
                profit_currency="USD", margin_currency="USD",
            )
            for name in names
        )  # fmt: skip
        users = User.objects.bulk_create(
            User(
                email=f"u{number}@bench.example", roles=[Role.INVESTOR if number else Role.MANAGER]
            )
            for number in range(investors + 1)
        )
        accounts = TradingAccount.objects.bulk_create(
            TradingAccount(
                server=server, login=number + 1, currency="USD", leverage=100,
                kind="sub" if number else "master", owner=user if number else None,
            )
            for number, user in enumerate(users)
        )  # fmt: skip
        master = Master.objects.create(account=accounts[0], manager=users[0], name="Book")
        Link.objects.bulk_create(
            Link(master=master, account=account, status=Link.Status.ACTIVE)
            for account in accounts[1:]
        )
        Ticket.objects.bulk_create(
            Ticket(
                id=account.pk, block_id=uuid.uuid4(), account_id=account.pk, symbol="EURUSD",
                side=1, steps=5, open_steps=5, volume_step="0.01", open_price="1.08",
                opened_at="2026-01-01T00:00Z", seq=1,
            )
            for account in accounts[1:]
        )  # fmt: skip
        ProjectionCursor.objects.create(
            book_id=master.public_id, seq=1, projected_at="2026-01-01T00:00Z"
        )
        self._book_id, self._names, self._server_id = master.public_id, names, server.pk
        self._ids = np.array([account.pk for account in accounts[1:]], dtype=np.int64)
        self.sessions = [f"{settings.SESSION_COOKIE_NAME}={_session(user)}" for user in users[1:]]

    @contextmanager
    def publishing(self) -> Iterator[None]:
        """As the engine does: a frame of the book and the quotes, ten times a second."""
        over = threading.Event()

        def run() -> None:
            number = 0
            while not over.wait(0.1):
                number += 1
                self._publish(number)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _publish(self, number: int) -> None:
        import msgspec

        from apps.engine import channels, client
        from apps.engine.messages import Frame, QuoteFrame, QuoteView

        encode = msgspec.msgpack.encode
        at_ms = time.time_ns() // 1_000_000
        size = self._ids.size
        floating = np.arange(size) * number % 997
        vectors = {
            "account_ids": self._ids,
            "balance": np.full(size, 1_000_000),
            "equity": floating + 1_000_000,
            "floating": floating,
            "margin": np.full(size, 5_000),
        }
        frame = Frame(
            epoch=1, seq=1, at_ms=at_ms, blocks=[], aum_minor={"USD": 1}, book_currency="USD",
            book_floating_minor=1, book_aum_minor=1,
            **{name: vector.astype("<i8").tobytes() for name, vector in vectors.items()},
        )  # fmt: skip
        ask = Decimal("1.08000") + Decimal(number % 50) / 100_000
        quotes = {
            name: QuoteView(symbol=name, bid=str(ask), ask=str(ask), digits=5, at_ms=at_ms)
            for name in self._names
        }
        pipeline = client.connection().pipeline(transaction=False)
        for key, channel, data in (
            (channels.quotes_latest(BROKER, self._server_id),
             channels.quotes(BROKER, self._server_id),
             encode(QuoteFrame(at_ms=at_ms, quotes=quotes))),
            (channels.frame(BROKER, self._book_id), channels.frames(BROKER, self._book_id),
             encode(frame)),
        ):  # fmt: skip
            pipeline.set(key, data)
            pipeline.publish(channel, data)
        pipeline.execute()


def _session(user: Any) -> str:
    """A log-in session, as the log-in view makes it."""
    from importlib import import_module

    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    store = import_module(settings.SESSION_ENGINE).SessionStore()
    store[SESSION_KEY] = str(user.pk)
    store[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    store[HASH_SESSION_KEY] = user.get_session_auth_hash()
    store.create()
    return str(store.session_key)
