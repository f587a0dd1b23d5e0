"""The supervisor over real processes: order, restart, a whole and clean stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.launcher.place import Place, throwaway
from scripts.launcher.process import Spec
from scripts.launcher.say import StepError
from scripts.launcher.strays import find_strays, note
from scripts.launcher.supervisor import Supervisor, tcp_probe

ROOT = Path(__file__).resolve().parents[2]
WAIT_S = 10.0


@pytest.fixture
def here() -> Iterator[Place]:
    with throwaway("unit") as place:
        yield place


def spec(name: str, code: str, place: Place, **more: object) -> Spec:
    """A process that runs the Python `code`; ready when it prints `ready`."""
    options: dict[str, object] = {"ready_line": "^ready", "ready_timeout_s": WAIT_S, **more}
    argv = (sys.executable, "-u", "-c", code)
    env = {**os.environ, "PRORATA_INSTANCE": place.marker}
    return Spec(name=name, argv=argv, env=env, cwd=place.run, **options)  # type: ignore[arg-type]


async def until(condition: object) -> None:
    """Wait until `condition()` is true; the test fails after WAIT_S."""
    assert callable(condition)
    async with asyncio.timeout(WAIT_S):
        while not condition():  # noqa: ASYNC110 - another process has no Event
            await asyncio.sleep(0.02)


FOREVER = "import time; print('ready'); time.sleep(600)"


async def test_a_process_that_dies_is_started_again_and_its_pid_file_follows(here: Place) -> None:
    pid_file = here.run / "engine.pid"
    async with Supervisor(here, {}, quiet=True) as supervisor:
        watched = await supervisor.start(
            spec("engine", FOREVER, here, pid_file=pid_file, restart_delays_s=(0.05,))
        )
        first = int(pid_file.read_text())
        os.kill(first, signal.SIGKILL)
        await until(lambda: watched.pid not in {None, first})
        assert int(pid_file.read_text()) == watched.pid
        assert watched.deaths == 1
    assert not pid_file.exists()


async def test_stop_ends_children_of_children_and_leaves_nothing(here: Place) -> None:
    # The grandchild ignores SIGTERM, and its parent does not care for it.
    grandchild = "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(600)"
    code = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {grandchild!r}])\n"
        "print('ready'); time.sleep(600)"
    )
    async with Supervisor(here, {}, quiet=True) as supervisor:
        await supervisor.start(spec("web", code, here))
        await until(lambda: len(find_strays(here.marker, here.run)) == 2)
    assert find_strays(here.marker, here.run) == []


async def test_stop_goes_in_reverse_order(here: Place) -> None:
    log = here.run / "order"
    code = (
        "import signal, sys, time\n"
        "def bye(*_):\n"
        "    open({log!r}, 'a').write({name!r} + ' ')\n"
        "    sys.exit()\n"
        "signal.signal(15, bye); print('ready'); time.sleep(600)"
    )
    async with Supervisor(here, {}, quiet=True) as supervisor:
        for name in ("postgres", "engine", "web"):
            await supervisor.start(spec(name, code.format(log=str(log), name=name), here))
    assert log.read_text().split() == ["web", "engine", "postgres"]


async def test_one_that_ignores_the_stop_signal_is_killed_after_its_time(here: Place) -> None:
    code = "import signal,time; signal.signal(15, signal.SIG_IGN); print('ready'); time.sleep(600)"
    async with Supervisor(here, {}, quiet=True) as supervisor:
        await supervisor.start(spec("worker", code, here, stop_timeout_s=0.3))
        stopped_from_s = time.monotonic()
    assert time.monotonic() - stopped_from_s < WAIT_S
    assert find_strays(here.marker, here.run) == []


async def test_one_that_never_starts_fails_with_its_last_lines(
    here: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Supervisor(here, {}, quiet=True) as supervisor:
        with pytest.raises(StepError, match=r"beat keeps dying.*beat\.log"):
            await supervisor.start(
                spec("beat", "raise SystemExit('no table')", here, restart_delays_s=(0.01,))
            )
    assert "no table" in capsys.readouterr().out


async def test_ready_means_that_the_port_answers(here: Place, free_port: int) -> None:
    code = (
        "import socket, time; time.sleep(0.3); s = socket.socket();"
        f"s.bind(('127.0.0.1', {free_port})); s.listen(); time.sleep(600)"
    )
    probe = tcp_probe(free_port)
    assert not await probe()
    async with Supervisor(here, {}, quiet=True) as supervisor:
        await supervisor.start(spec("web", code, here, ready_line=None, probe=probe))
        assert await probe()


async def test_the_next_start_ends_what_a_killed_supervisor_left(here: Place) -> None:
    """Two strays: one is known by its environment, the other only by the note of its pid."""
    marked = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOREVER, env={"PRORATA_INSTANCE": here.marker}
    )
    noted = await asyncio.create_subprocess_exec(sys.executable, "-c", FOREVER, env={})
    note(here.run, "redis", noted.pid)
    # A note about a pid that is another process by now must hurt nobody.
    (here.run / "old.proc").write_text(f"{os.getpid()} 1\n")
    async with Supervisor(here, {}, quiet=True):
        async with asyncio.timeout(WAIT_S):
            assert await marked.wait() != 0
            assert await noted.wait() != 0


async def test_a_signal_stops_everything_with_status_0(here: Place, tmp_path: Path) -> None:
    """A supervisor in a process of its own gets SIGTERM, as by `kill` or at shutdown."""
    script = tmp_path / "main.py"
    script.write_text(
        "import asyncio, dataclasses, pathlib, sys\n"
        "from scripts.launcher.place import Place\n"
        "from scripts.launcher.process import Spec\n"
        "from scripts.launcher.supervisor import Supervisor, until_signalled\n"
        f"base = pathlib.Path({str(here.sockets)!r})\n"
        "here = Place('x', base / 'pg', base, base / 'log', base / 'run', base, None)\n"
        "async def main():\n"
        "    async with Supervisor(here, {}) as supervisor:\n"
        f"        argv = (sys.executable, '-u', '-c', {FOREVER!r})\n"
        "        spec = Spec('web', argv, supervisor.env, base, ready_line='ready')\n"
        "        await supervisor.start(spec)\n"
        "        print('up', flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "sys.exit(until_signalled(main))\n"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(script)),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    async with asyncio.timeout(WAIT_S):
        while (await process.stdout.readline()).strip() != b"up":
            pass
        assert find_strays(here.marker, here.run)
        process.send_signal(signal.SIGTERM)
        assert await process.wait() == 0
    assert find_strays(here.marker, here.run) == []
