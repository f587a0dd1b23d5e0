"""What `bench live` compares with: `python -m scripts.benches._live_server KIND PORT FILE`.

Each sends the text of FILE to every socket five times a second, and does nothing else: KIND
starlette (on uvicorn, as the product's sockets are) or picows.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path
from typing import Any

INTERVAL_S = 0.2


def main(kind: str, port: int, text: str) -> None:
    if kind == "starlette":
        _starlette(port, text)
    else:
        import uvloop

        uvloop.run(_picows(port, text.encode()))


def _starlette(port: int, text: str) -> None:
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import WebSocketRoute
    from starlette.websockets import WebSocket, WebSocketDisconnect

    sockets: set[WebSocket] = set()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        sockets.add(websocket)
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await websocket.receive_text()
        sockets.discard(websocket)

    async def pump() -> None:
        while True:
            for websocket in tuple(sockets):
                with contextlib.suppress(RuntimeError, WebSocketDisconnect):
                    await websocket.send_text(text)
            await asyncio.sleep(INTERVAL_S)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        task = asyncio.create_task(pump())
        yield
        task.cancel()

    app = Starlette(routes=[WebSocketRoute("/{path:path}", endpoint)], lifespan=lifespan)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


async def _picows(port: int, data: bytes) -> None:
    from picows import WSListener, WSMsgType, WSTransport, ws_create_server

    transports: set[WSTransport] = set()

    class Listener(WSListener):
        def on_ws_connected(self, transport: WSTransport) -> None:
            transports.add(transport)

        def on_ws_disconnected(self, transport: WSTransport) -> None:
            transports.discard(transport)

    await ws_create_server(lambda request: Listener(), "127.0.0.1", port)
    while True:
        for transport in tuple(transports):
            transport.send(WSMsgType.TEXT, data)
        await asyncio.sleep(INTERVAL_S)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]).read_text())
