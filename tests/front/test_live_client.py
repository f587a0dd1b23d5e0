"""The page's socket client against a real socket: order, reconnection, silence, refusal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from websockets.asyncio.server import ServerConnection, serve

from tests.front.people import node

JS = Path(settings.BASE_DIR) / "static/js/live.js"
CLIENT = Path(__file__).with_name("live_client.mjs")
Talk = Callable[[ServerConnection, int], Awaitable[None]]


def message(kind: str, epoch: int, seq: int) -> str:
    return json.dumps({"type": kind, "epoch": epoch, "seq": seq, "at_ms": 1})


class Page:
    """A running client; `next()` is its next call-back."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def next(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 10)
        told: dict[str, Any] = json.loads(line)
        return told

    async def tell(self, order: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(order.encode() + b"\n")
        await self.process.stdin.drain()


@asynccontextmanager
async def page(talk: Talk, stale_ms: int = 5000) -> AsyncIterator[Page]:
    """A client of a server that says `talk(connection, number of the connection)`."""
    count = 0

    async def greet(connection: ServerConnection) -> None:
        nonlocal count
        count += 1
        await talk(connection, count)

    async with serve(greet, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            node(), str(CLIENT), JS.as_uri(), f"ws://127.0.0.1:{port}/", str(stale_ms),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        try:
            yield Page(process)
        finally:
            process.kill()
            await process.wait()


async def test_a_snapshot_then_frames_and_nothing_older() -> None:
    async def talk(connection: ServerConnection, number: int) -> None:
        await connection.send(message("frame", 1, 4))  # before any snapshot: dropped
        await connection.send(message("snapshot", 1, 5))
        await connection.send(message("frame", 1, 4))  # older than shown: dropped
        await connection.send(message("frame", 0, 9))  # of a former owner: dropped
        await connection.send(message("frame", 1, 6))
        await connection.wait_closed()

    async with page(talk) as client:
        assert await client.next() == {"what": "state", "state": "connecting"}
        assert await client.next() == {"what": "snapshot", "epoch": 1, "seq": 5}
        assert await client.next() == {"what": "state", "state": "live"}
        assert await client.next() == {"what": "frame", "epoch": 1, "seq": 6}


async def test_a_new_epoch_is_met_with_a_fresh_snapshot() -> None:
    async def talk(connection: ServerConnection, number: int) -> None:
        await connection.send(message("snapshot", number, 1))
        if number == 1:
            await connection.send(message("frame", 2, 50))
        await connection.wait_closed()

    async with page(talk) as client:
        told = [await client.next() for _ in range(5)]
        kinds = [(each["what"], each.get("epoch", each.get("state"))) for each in told]
        assert ("frame", 2) not in kinds
        assert kinds[0] == ("state", "connecting")
        assert ("snapshot", 1) in kinds
        assert ("snapshot", 2) in kinds


async def test_a_lost_socket_is_offline_and_comes_back_by_itself() -> None:
    async def talk(connection: ServerConnection, number: int) -> None:
        await connection.send(message("snapshot", 1, number))
        if number == 1:
            await connection.close(1012)
        await connection.wait_closed()

    async with page(talk) as client:
        told = [await client.next() for _ in range(6)]
        states = [each["state"] for each in told if each["what"] == "state"]
        assert states == ["connecting", "live", "offline", "live"]
        assert told[-2] == {"what": "snapshot", "epoch": 1, "seq": 2}


async def test_silence_on_an_open_socket_is_stale_and_a_frame_ends_it() -> None:
    async def talk(connection: ServerConnection, number: int) -> None:
        await connection.send(message("snapshot", 1, 1))
        await asyncio.sleep(0.6)
        await connection.send(message("frame", 1, 2))
        await connection.wait_closed()

    async with page(talk, stale_ms=200) as client:
        told = [await client.next() for _ in range(6)]
        states = [each["state"] for each in told if each["what"] == "state"]
        assert states == ["connecting", "live", "stale", "live"]


async def test_a_refusal_is_final() -> None:
    connections = 0

    async def talk(connection: ServerConnection, number: int) -> None:
        nonlocal connections
        connections = number
        await connection.close(4403, "not_yours")

    async with page(talk) as client:
        assert (await client.next())["state"] == "connecting"
        assert await client.next() == {"what": "state", "state": "offline", "code": "not_yours"}
        await asyncio.sleep(1.2)  # the first retry would come within 0.5 s
    assert connections == 1


async def test_a_page_that_slept_asks_for_a_fresh_snapshot() -> None:
    async def talk(connection: ServerConnection, number: int) -> None:
        await connection.send(message("snapshot", 1, number))
        await connection.wait_closed()

    async with page(talk, stale_ms=100) as client:
        told = [await client.next() for _ in range(4)]
        assert told[-1] == {"what": "state", "state": "stale"}
        await client.tell("show")
        after = [await client.next() for _ in range(2)]
        assert {"what": "snapshot", "epoch": 1, "seq": 2} in after
