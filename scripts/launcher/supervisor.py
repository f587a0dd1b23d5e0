"""All processes of an instance: started in order, stopped in reverse order, nothing left."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from scripts.launcher.place import Place
from scripts.launcher.process import Probe, Spec, Watched
from scripts.launcher.say import CommandFailedError, prefix, say, step
from scripts.launcher.strays import VARIABLE, end_strays

PREFIX_WIDTH = 9


@dataclass
class Supervisor:
    """Use as `async with`: leaving the block stops everything that was started."""

    place: Place
    env: dict[str, str]
    quiet: bool = False
    _watched: list[Watched] = field(default_factory=list)
    _at_once: bool = False

    async def __aenter__(self) -> Supervisor:
        self.env[VARIABLE] = self.place.marker
        ended = await asyncio.to_thread(end_strays, self.place.marker, self.place.run)
        if ended:
            say(f"  ✓ ended {ended} processes that an earlier start left behind")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        stopping = asyncio.create_task(self.stop())
        while not stopping.done():
            try:
                await asyncio.shield(stopping)
            except asyncio.CancelledError:  # a second Ctrl-C: stop all the same, by force
                self.hurry()

    async def start(self, spec: Spec) -> Watched:
        """Start `spec`, wait until it is ready."""
        watched = Watched(
            spec,
            prefix(spec.name, PREFIX_WIDTH, len(self._watched)),
            self.place.logs,
            self.place.run,
        )
        self._watched.append(watched)
        with step(spec.name):
            await watched.start()
        return watched

    def all(self) -> list[Watched]:
        """What was started, in that order."""
        return list(self._watched)

    async def run_to_end(
        self, title: str, argv: tuple[str, ...], cwd: Path, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """Run a command that ends, its lines shown; they are returned.

        Raises CommandFailedError, which has the lines too, when its status is not 0.
        """
        lines: list[str] = []
        head = prefix(title, PREFIX_WIDTH, 8)
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env=self.env if env is None else env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=8 * 1024 * 1024,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            while raw := await process.stdout.readline():
                lines.append(raw.decode(errors="replace").rstrip())
                if not self.quiet:
                    say(f"{head}{lines[-1]}")
            code = await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code != 0:
            if self.quiet:
                say("\n".join(f"    {line}" for line in lines[-15:]))
            raise CommandFailedError(
                f"{title} failed with status {code}: its last lines are above.", lines
            )
        return lines

    async def stop(self) -> None:
        """Stop in reverse order; then make sure that nothing of this instance is left."""
        while self._watched:
            watched = self._watched[-1]
            if not self.quiet:
                say(f"  … stopping {watched.spec.name}")
            await watched.stop(at_once=self._at_once)
            self._watched.pop()
        await asyncio.to_thread(end_strays, self.place.marker, self.place.run, 2.0)

    def hurry(self) -> None:
        """From now on stop by SIGKILL."""
        self._at_once = True
        for watched in self._watched:
            watched.end_now()


def until_signalled(main: Callable[[], Awaitable[int]]) -> int:
    """Run `main`; SIGINT, SIGTERM and SIGHUP cancel it, which is an orderly end: status 0."""

    async def guarded() -> int:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(main())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return 0

    return asyncio.run(guarded())


def tcp_probe(port: int, host: str = "127.0.0.1") -> Probe:
    """True once something accepts connections there."""

    async def probe() -> bool:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 1.0)
        except (OSError, TimeoutError):
            return False
        writer.close()
        return True

    return probe
