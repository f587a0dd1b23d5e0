"""`manage.py run_engine`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from pathlib import Path
from typing import Any

import uvloop
from django.core.management.base import BaseCommand, CommandParser

from apps.engine import sql
from apps.engine.differences import EVERY_S
from apps.engine.memory import keep_freed_memory
from apps.engine.runner import Engine


class Command(BaseCommand):
    help = (
        "Run the engine: take the lease of every active book of every broker, and serve them"
        " until SIGTERM or Ctrl-C. Picks up new brokers and books by itself. A second engine"
        " stands by and takes over what is not renewed for 5 seconds. Exit status 0 after a"
        " clean stop. Writes its process id to the file named by ENGINE_PID_FILE, when set."
    )

    requires_system_checks = ()  # a restart is to be quick; check runs in CI

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--broker", action="append", default=[], help="serve only this one")
        parser.add_argument(
            "--owner",
            default=os.environ.get("ENGINE_OWNER", f"{socket.gethostname()}/engine"),
            help="name on the leases; keep it over restarts to get one's own back at once",
        )

        parser.add_argument(
            "--compare-every",
            type=float,
            default=EVERY_S,
            metavar="SECONDS",
            help="between two comparisons of balances and tickets with the trading servers",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        pid_file = os.environ.get("ENGINE_PID_FILE")
        if pid_file:
            Path(pid_file).write_text(str(os.getpid()))
        keep_freed_memory()
        sql.name_django_sessions()
        with contextlib.suppress(asyncio.CancelledError):
            uvloop.run(_main(_engine(options)))


def _engine(options: dict[str, Any]) -> Engine:
    return Engine(options["owner"], options["broker"], options["compare_every"])


async def _main(engine: Engine) -> None:
    task = asyncio.current_task()
    assert task is not None
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await engine.run()
