"""Where an instance keeps its data, sockets and logs.

A normal user's data is under `var/`. PostgreSQL refuses to run as root, so for root it runs as
`nobody`, with data and binaries in a private directory under /var/tmp that `nobody` can reach
whatever the permissions above the project are. Sockets are in a short directory: a unix socket's
path is limited to 107 bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from scripts.launcher.bootstrap import ROOT
from scripts.launcher.say import StepError

VAR = ROOT / "var"
SOCKET_PATH_LIMIT = 107
_LONGEST_SOCKET = "/.s.PGSQL.5432"


@dataclass(frozen=True)
class ServiceUser:
    """Who PostgreSQL runs as when we are root."""

    uid: int
    gid: int


@dataclass(frozen=True)
class Place:
    """Directories of one instance (`run`, `smoke`, or a throwaway one)."""

    name: str
    pg_data: Path
    sockets: Path
    logs: Path
    run: Path  # pid files
    shared: Path  # root only: the copy of PostgreSQL's binaries
    owner: ServiceUser | None

    @property
    def marker(self) -> str:
        """Value of PRORATA_INSTANCE in every child: how strays are recognised."""
        return f"{self.sockets}"


def project_hash(root: Path = ROOT) -> str:
    return hashlib.sha256(str(root).encode()).hexdigest()[:10]


def service_user() -> ServiceUser | None:
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam("nobody")
    return ServiceUser(entry.pw_uid, entry.pw_gid)


def private_dir(path: Path, owner: ServiceUser | None) -> Path:
    """Make `path` with mode 700 for `owner`; refuse a link or somebody else's directory.

    The parents are world-writable: another user may have made the name first.
    """
    uid = os.geteuid() if owner is None else owner.uid
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {uid, os.geteuid()}:
        raise StepError(f"{path} belongs to somebody else: remove it, then start again.")
    if owner is not None:
        os.chown(path, owner.uid, owner.gid)
    path.chmod(0o700)
    return path


def permanent(name: str) -> Place:
    """The place of `scripts/run` (name `run`) or of its smoke run (name `smoke`)."""
    owner = service_user()
    home = VAR if name == "run" else VAR / name
    for folder in (home, home / "log", home / "run"):
        folder.mkdir(parents=True, exist_ok=True)
    shared = Path("/var/tmp") / f"prorata-{project_hash()}"
    if owner is not None:
        base = private_dir(private_dir(shared, owner) / name, owner)
        return Place(name, base / "pg", base, home / "log", home / "run", shared, owner)
    sockets = private_dir(Path("/tmp") / f"prorata-{os.geteuid()}-{project_hash()}-{name}", None)
    return Place(name, home / "pg", sockets, home / "log", home / "run", shared, None)


@contextlib.contextmanager
def throwaway(name: str) -> Iterator[Place]:
    """A place of its own under /var/tmp that is deleted afterwards, also by a later run."""
    owner = service_user()
    stem = f"prorata-{project_hash()}-{name}-{os.geteuid()}-"
    _delete_abandoned(stem)
    base = Path(tempfile.mkdtemp(prefix=stem, dir="/var/tmp"))
    shared = Path("/var/tmp") / f"prorata-{project_hash()}"
    with (base / "owner.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        private_dir(base, owner)
        if owner is not None:
            private_dir(shared, owner)
        for folder in ("log", "run"):
            (base / folder).mkdir()
        try:
            yield Place(name, base / "pg", base, base / "log", base / "run", shared, owner)
        finally:
            shutil.rmtree(base, ignore_errors=True)


def _delete_abandoned(stem: str) -> None:
    """Throwaway places whose maker was killed: its lock is free. Their servers are ended too."""
    from scripts.launcher.strays import end_strays

    for base in Path("/var/tmp").glob(f"{stem}*"):
        lock = base / "owner.lock"
        if not lock.exists():
            continue
        with lock.open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            end_strays(str(base), base / "run")
            shutil.rmtree(base, ignore_errors=True)


def require_short(sockets: Path) -> None:
    length = len(str(sockets)) + len(_LONGEST_SOCKET)
    if length > SOCKET_PATH_LIMIT:
        raise StepError(f"{sockets} is too long for a unix socket ({length} bytes, limit 107).")
