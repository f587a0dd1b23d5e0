"""Sockets that read everything and note when it came: `python -m scripts.benches._viewers`.

A process of its own, so that reading costs the server nothing. Standard input: one JSON object
{host, port, path, sessions, seconds}; it connects a socket for each session, prints "ready" when
every one has heard something, reads for so long, and prints {messages, latencies_ms, sample}.
A latency is from the engine's `at_ms` to here; of messages that carry one.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import sys
import time
from typing import Any

import uvloop
from picows import WSFrame, WSListener, WSTransport, ws_connect

_AT_MS = re.compile(rb'"at_ms":(\d+)')
_AT_ONCE = 50


class Viewer(WSListener):
    """Counts what comes."""

    messages = 0
    is_counting = False
    latencies_ms: list[float] = []
    longest = b""

    def __init__(self) -> None:
        self.heard = asyncio.Event()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.heard.set()
        if not Viewer.is_counting:
            return
        Viewer.messages += 1
        payload = frame.get_payload_as_bytes()
        found = _AT_MS.search(payload)
        if found is not None:
            Viewer.latencies_ms.append(time.time() * 1000 - int(found[1]))
            if b'"frame"' in payload and len(payload) > len(Viewer.longest):
                Viewer.longest = payload


async def main(asked: dict[str, Any]) -> None:
    gate = asyncio.Semaphore(_AT_ONCE)

    async def enter(session: str) -> Any:
        async with gate:
            headers = {"Origin": f"http://{asked['host']}", "Cookie": session}
            viewer = Viewer()
            transport, _ = await ws_connect(
                lambda: viewer,
                f"ws://{asked['host']}{asked['path']}",
                extra_headers=headers,
                websocket_handshake_timeout=120,
                socket_factory=lambda _: _connected(asked["port"]),
            )
            await asyncio.wait_for(viewer.heard.wait(), 600)
            return transport

    transports = await asyncio.gather(*map(enter, asked["sessions"]))
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    Viewer.is_counting = True
    await asyncio.sleep(asked["seconds"])
    Viewer.is_counting = False
    said = {
        "messages": Viewer.messages,
        "latencies_ms": Viewer.latencies_ms,
        "sample": Viewer.longest.decode(),
    }
    print(json.dumps(said), flush=True)
    for transport in transports:
        transport.disconnect()


def _connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setblocking(False)
    return made


if __name__ == "__main__":
    uvloop.run(main(json.loads(sys.stdin.readline())))
