"""The product as its users meet it: every process for real, two brokers, Chromium."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: str, question: Callable[[], object], within_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not question():
        assert time.monotonic() < deadline_s, f"{what} did not come in {within_s:g} s"
        time.sleep(0.05)


@dataclass
class Processes:
    """Web, live and engine processes on one test database. Logs go to `logs`."""

    env: dict[str, str]
    logs: Path
    web_port: int = field(default_factory=free_port)
    live_port: int = field(default_factory=free_port)
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.env = {**self.env, "PORT": str(self.web_port), "LIVE_PORT": str(self.live_port)}

    def start(self, name: str, *arguments: str) -> None:
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, *arguments], cwd=ROOT, env=self.env, stdout=log, stderr=log
            )

    def start_engine(self) -> None:
        self.start("engine", "manage.py", "run_engine", "--owner", "e2e")

    def start_all(self) -> None:
        self.start_engine()
        self.start(
            "web", "-m", "granian", "--interface", "wsgi", "--host", "127.0.0.1",
            "--port", str(self.web_port), "--blocking-threads", "4", "config.wsgi:application",
        )  # fmt: skip
        self.start(
            "live", "-m", "uvicorn", "config.asgi:application", "--host", "127.0.0.1",
            "--port", str(self.live_port), "--no-access-log",
        )  # fmt: skip
        wait_for("web", lambda: _answers(self.web_port))
        wait_for("live", lambda: _listens(self.live_port))

    def kill(self, name: str) -> None:
        """kill -9."""
        self._running[name].send_signal(signal.SIGKILL)
        self._running.pop(name).wait()

    def stop(self) -> None:
        for process in self._running.values():
            process.send_signal(signal.SIGTERM)
        for process in self._running.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return bool(answer.status)
    except urllib.error.HTTPError:
        return True  # a host that is nobody's
    except OSError:
        return False


class Visitor:
    """Somebody in a browser of their own at one broker's host; what went wrong there is kept."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.origin = origin
        self.page: Page = context.new_page()
        self.complaints: list[str] = []
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text) if message.type == "error" else None
            ),
        )

    def go(self, path: str) -> None:
        self.page.goto(self.origin + path)

    def log_in(self, email: str, password: str) -> None:
        self.go("/accounts/login/")
        self.page.fill("input[name=login]", email)
        self.page.fill("input[name=password]", password)
        self.page.click("main button[type=submit]")
        self.page.wait_for_url(lambda url: "/accounts/login" not in url)

    def mark(self) -> None:
        """A mark that a reload would wipe."""
        self.page.evaluate("document.documentElement.dataset.mark = 'same page'")

    def is_same_page(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.dataset.mark === 'same page'"))


@contextmanager
def visitor(browser: Browser, origin: str) -> Iterator[Visitor]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        yield Visitor(context, origin)
    finally:
        context.close()


def environment(process_env: dict[str, str], sim_url: str) -> dict[str, str]:
    return {**process_env, "SIM_URL": sim_url, "PATH": os.environ["PATH"]}
