"""The live process's server in a thread of the tests: real TCP, real uvicorn, quick to start."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import uvicorn
from asgiref.sync import sync_to_async
from django.db import connections

from config.asgi import application


class LiveThread:
    """Use as a context manager; `port` is where it listens on 127.0.0.1."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        config = uvicorn.Config(application, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> LiveThread:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            assert time.monotonic() < deadline, "the live server did not start"
            time.sleep(0.01)
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(20)
        closing = threading.Thread(target=asyncio.run, args=(_close_connections(),))
        closing.start()
        closing.join(10)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))


async def _close_connections() -> None:
    """Consumers' database calls share one thread of the process: its connection goes too."""
    await sync_to_async(connections.close_all)()
