"""PostgreSQL and Redis of an instance: the ones named in the environment, else embedded ones."""

from __future__ import annotations

from scripts.launcher import postgres, redis_server
from scripts.launcher.say import step
from scripts.launcher.supervisor import Supervisor


async def start(supervisor: Supervisor, *, fsync: bool = True) -> None:
    """Afterwards supervisor.env has DATABASE_URL and REDIS_URL that answer."""
    if database_url := supervisor.env.get("DATABASE_URL"):
        with step("PostgreSQL at DATABASE_URL"):
            postgres.check_external(database_url)
    else:
        await postgres.start(supervisor, fsync=fsync)
    if redis_url := supervisor.env.get("REDIS_URL"):
        with step("Redis at REDIS_URL"):
            redis_server.check_external(redis_url)
    else:
        await redis_server.start(supervisor)
