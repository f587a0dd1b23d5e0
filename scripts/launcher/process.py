"""One supervised process: started, watched until ready, restarted when it dies, stopped whole."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import logging
import logging.handlers
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from scripts.launcher import strays
from scripts.launcher.place import ServiceUser
from scripts.launcher.say import StepError, say, warn

LOG_BYTES_MAX = 20_000_000
STEADY_S = 30.0  # alive this long: the next death starts the back-off anew
DEATHS_BEFORE_READY_MAX = 3
DEATHS_BEFORE_ALARM = 5
_LINE_BYTES_MAX = 64 * 1024

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Spec:
    """What to run and how. Delays in seconds; the last restart delay repeats for ever."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    probe: Probe | None = None  # polled until it says True
    ready_line: str | None = None  # or: a pattern in its output
    ready_timeout_s: float = 120.0
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_s: float = 10.0
    restart_delays_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
    user: ServiceUser | None = None
    pid_file: Path | None = None
    quiet: bool = False  # log file only


@dataclass
class Watched:
    """A Spec at work. `prefix` goes before each of its lines on the terminal."""

    spec: Spec
    prefix: str
    logs: Path
    notes: Path
    deaths: int = 0
    pid: int | None = None
    tail: collections.deque[str] = field(default_factory=lambda: collections.deque(maxlen=15))
    _ready: asyncio.Event = field(default_factory=asyncio.Event)
    _failed: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Return when it is ready; StepError (with its last lines shown) when it never is."""
        self._task = asyncio.create_task(self._keep(), name=self.spec.name)
        waits = [asyncio.create_task(self._wait_ready()), asyncio.create_task(self._failed.wait())]
        try:
            done, _ = await asyncio.wait(
                waits,
                timeout=self.spec.ready_timeout_s,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for wait in waits:
                wait.cancel()
        if waits[0] in done:
            waits[0].result()
            return
        for line in self.tail:
            say(f"    {line}")
        why = "keeps dying" if self._failed.is_set() else "is not ready"
        raise StepError(
            f"{self.spec.name} {why}: its last lines are above, all in {self._log_path}."
        )

    async def stop(self, *, at_once: bool = False) -> None:
        """End it and every process it left in its session; no restart follows."""
        self._stopping.set()
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL if at_once else self.spec.stop_signal)
            try:
                await asyncio.wait_for(process.wait(), self.spec.stop_timeout_s)
            except TimeoutError:
                warn(f"{self.spec.name} did not stop in {self.spec.stop_timeout_s:.0f} s: killed")
                self._end_session()
                await process.wait()
        if self._task is not None:
            # The task only has its last lines to pass on.
            _, late = await asyncio.wait([self._task], timeout=1.0)
            for task in late:
                task.cancel()
        self._end_session()
        self._forget()

    def end_now(self) -> None:
        """SIGKILL; a `stop` that waits for it goes on."""
        self._end_session()

    @property
    def _log_path(self) -> Path:
        return self.logs / f"{self.spec.name}.log"

    async def _wait_ready(self) -> None:
        if self.spec.ready_line is not None:
            await self._ready.wait()
            return
        if self.spec.probe is None:
            return
        while not await self.spec.probe():  # noqa: ASYNC110 - another process has no Event
            await asyncio.sleep(0.05)

    async def _keep(self) -> None:
        """Run, wait for its death, say so, pause, run again; until stopped."""
        log = _file_log(self._log_path)
        try:
            while not self._stopping.is_set():
                born_s = time.monotonic()
                code = await self._run_once(log)
                if self._stopping.is_set():
                    return
                self._end_session()
                await self._died(code, time.monotonic() - born_s)
        finally:
            for handler in log.handlers:
                handler.close()

    async def _run_once(self, log: logging.Logger) -> int:
        spec = self.spec
        # A pipe of our own: asyncio's would make wait() last until every grandchild has closed it.
        reading, writing = os.pipe()
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.argv,
                env=spec.env,
                cwd=spec.cwd,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=writing,
                stderr=writing,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone
                user=spec.user.uid if spec.user else None,
                group=spec.user.gid if spec.user else None,
                extra_groups=[] if spec.user else None,
            )
        except OSError as error:
            os.close(reading)
            self.tail.append(f"{spec.argv[0]}: {error.strerror}")
            return 127
        finally:
            os.close(writing)
        self._process, self.pid = process, process.pid
        if self._stopping.is_set():  # asked to stop while it was being born
            process.kill()
        strays.note(self.notes, spec.name, process.pid)
        if spec.pid_file is not None:
            # Written whole or not at all: a reader may look at any moment.
            half = spec.pid_file.with_suffix(".new")
            half.write_text(f"{process.pid}\n")
            half.replace(spec.pid_file)
        pump = asyncio.create_task(self._pump(reading, log))
        code = await process.wait()
        # A grandchild may hold the pipe open for ever: what is there by now is enough.
        await asyncio.wait([pump], timeout=0.5)
        pump.cancel()
        self.pid = None
        return code

    async def _pump(self, reading: int, log: logging.Logger) -> None:
        """Pass on lines until the pipe ends or the task is cancelled."""
        reader = asyncio.StreamReader(limit=_LINE_BYTES_MAX)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", 0)
        )
        try:
            await self._pass_on(reader, log)
        finally:
            transport.close()

    async def _pass_on(self, reader: asyncio.StreamReader, log: logging.Logger) -> None:
        pattern = re.compile(self.spec.ready_line) if self.spec.ready_line else None
        while True:
            try:
                raw = await reader.readline()
            except ValueError:  # a line beyond the limit is dropped by the reader
                continue
            if not raw:
                return
            line = raw.decode(errors="replace").rstrip()
            self.tail.append(line)
            log.info(line)
            if not self.spec.quiet:
                say(f"{self.prefix}{line}")
            if pattern is not None and pattern.search(line):
                self._ready.set()

    async def _died(self, code: int, lived_s: float) -> None:
        self.deaths = 1 if lived_s >= STEADY_S else self.deaths + 1
        delays = self.spec.restart_delays_s
        delay_s = delays[min(self.deaths, len(delays)) - 1]
        how = f"signal {-code}" if code < 0 else f"status {code}"
        say(f"{self.prefix}died ({how}, after {lived_s:.1f} s); again in {delay_s:g} s")
        if self.deaths >= DEATHS_BEFORE_READY_MAX:
            self._failed.set()
        if self.deaths == DEATHS_BEFORE_ALARM:
            warn(f"{self.spec.name} keeps dying: see {self._log_path}. Trying on.")
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), delay_s)

    def _end_session(self) -> None:
        """Kill whatever the process left behind in its session (workers of a killed master)."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _forget(self) -> None:
        (self.notes / f"{self.spec.name}.proc").unlink(missing_ok=True)
        if self.spec.pid_file is not None:
            self.spec.pid_file.unlink(missing_ok=True)


def _file_log(path: Path) -> logging.Logger:
    """A plain file of lines with a time, turned over at LOG_BYTES_MAX (one old file is kept)."""
    log = logging.Logger(str(path), logging.INFO)  # unregistered: its life is ours
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=LOG_BYTES_MAX, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    return log
