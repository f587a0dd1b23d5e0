"""The product's processes: which, in which order, and how each one shows that it is ready."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from scripts.launcher import servers
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.place import Place
from scripts.launcher.process import Spec
from scripts.launcher.procfile import read_procfile
from scripts.launcher.say import StepError, step
from scripts.launcher.supervisor import Supervisor, tcp_probe

MANAGE = (sys.executable, str(ROOT / "manage.py"))
_TCP = {"web": "PORT", "live": "LIVE_PORT", "mail": "SMTP_PORT", "simulator": "SIM_PORT"}
# What a process says when it does its work; ports are not asked twice.
_LINES = {"worker": r"celery@\S+ ready", "beat": r"beat: Starting", "engine": "engine_started"}
# A book without its engine takes no order: no patience there.
_RESTART_DELAYS_S = {"engine": (*(1.0,) * 10, 5.0)}
_STOP_TIMEOUTS_S = {"worker": 20.0}

_SHARED = (
    *("DATABASE_URL", "REDIS_URL", "DEBUG", "PORT", "LIVE_PORT", "SIM_PORT", "SMTP_PORT"),
    *("SIM_URL", "EMAIL_URL", "MAIL_DIR", "SIM_DIR", "MEDIA_ROOT", "ENGINE_PID_FILE"),
)


@dataclass(frozen=True)
class Login:
    """One of the demo's people, as `manage.py seed_demo --json` prints them."""

    broker: str
    email: str
    password: str
    role: str
    url: str


def environment(base: dict[str, str], place: Place, ports: dict[str, int]) -> dict[str, str]:
    """Everything that settings read and that is this instance's own; real variables win."""
    env = dict(base)
    env.update({name: str(port) for name, port in ports.items()})
    home = place.logs.parent
    own = {
        "DEBUG": "1",
        "SIM_URL": f"tcp://127.0.0.1:{ports['SIM_PORT']}",
        "EMAIL_URL": f"smtp://127.0.0.1:{ports['SMTP_PORT']}",
        "MAIL_DIR": str(home / "mail"),
        "SIM_DIR": str(home / "simulator"),
        "MEDIA_ROOT": str(home / "media"),
    }
    for name, value in own.items():
        env.setdefault(name, value)
    env["ENGINE_PID_FILE"] = str(place.run / "engine.pid")
    return env


def spec_of(name: str, command: str, supervisor: Supervisor) -> Spec:
    """A line of the Procfile as a process to supervise."""
    env = dict(supervisor.env)
    port = env.get(_TCP.get(name, ""))
    return Spec(
        name=name,
        argv=("/bin/sh", "-c", f"exec {command}"),
        env=env,
        cwd=ROOT,
        probe=tcp_probe(int(port)) if port else None,
        ready_line=_LINES.get(name),
        restart_delays_s=_RESTART_DELAYS_S.get(name, Spec.restart_delays_s),
        stop_timeout_s=_STOP_TIMEOUTS_S.get(name, Spec.stop_timeout_s),
        pid_file=supervisor.place.run / f"{name}.pid",
        quiet=supervisor.quiet,
    )


async def start(supervisor: Supervisor) -> list[Login]:
    """Servers, release step, development extras, then the Procfile's processes and the demo."""
    commands = read_procfile(ROOT / "Procfile")
    extras = read_procfile(ROOT / "Procfile.dev")
    await servers.start(supervisor)
    release = commands.pop("release")
    with step("release: database up to date"):
        await supervisor.run_to_end("release", ("/bin/sh", "-c", f"exec {release}"), ROOT)
    for name, command in extras.items():
        await supervisor.start(spec_of(name, command, supervisor))
    # Importing Django takes each of them a second or two: they start together.
    engine = spec_of("engine", commands.pop("engine"), supervisor)
    demo = asyncio.create_task(engine_then_seed(supervisor, engine))
    await asyncio.gather(
        demo,
        *(
            supervisor.start(spec_of(name, command, supervisor))
            for name, command in commands.items()
        ),
    )
    return demo.result()


async def engine_then_seed(supervisor: Supervisor, engine: Spec) -> list[Login]:
    """The seed links accounts and places blocks, which is the engine's work."""
    await supervisor.start(engine)
    return await seed(supervisor)


async def seed(supervisor: Supervisor) -> list[Login]:
    """The demo's brokers and people; idempotent."""
    with step("seed: demo brokers and people"):
        lines = await supervisor.run_to_end("seed", (*MANAGE, "seed_demo", "--json"), ROOT)
    for line in reversed(lines):
        if line.startswith("{"):
            return [Login(**login) for login in json.loads(line)["logins"]]
    raise StepError("seed_demo --json printed no JSON object.")


def clear(place: Place) -> list[Path]:
    """Directories that `--reset` deletes."""
    home = place.logs.parent
    return [place.pg_data, *(home / name for name in ("mail", "simulator", "media", "log"))]


def for_other_terminals(env: dict[str, str]) -> dict[str, str]:
    """What `manage.py` in a second terminal needs to meet this instance's servers."""
    return {name: env[name] for name in _SHARED if name in env}
