"""The database's disk is full (a small tmpfs with a file that takes all of it), then is not."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import psycopg

from scripts.drills._scene import Figures, Scene, spread, wait_for
from scripts.drills.database import connected, wait_for_a_record

FOLDER = "DRILL_DISK"
"""Environment variable: where the small disk is that PostgreSQL's cluster is on."""
TIMES, TIMES_LONG = 2, 10


def disturb(scene: Scene) -> Figures:
    """Full until nothing was committed for a second, and 2 to 4 seconds more. Outage: from when
    there is space again to the book's next record, PostgreSQL's recovery included."""
    balloon = Path(os.environ[FOLDER]) / "balloon"
    outages_s: list[float] = []
    refused: set[str] = set()
    for _ in range(TIMES_LONG if scene.long else TIMES):
        scene.pause(0.5, 2.0)
        try:
            _fill(balloon)
            wait_for(lambda: _refuses(balloon, refused), "the full disk is noticed")
            scene.pause(2.0, 4.0)
        finally:
            balloon.unlink()
        began_s = time.monotonic()
        with wait_for(connected, "PostgreSQL answers") as connection:
            wait_for_a_record(connection, scene)
        outages_s.append(time.monotonic() - began_s)
    return {
        "full": len(outages_s),
        "PostgreSQL said": ", ".join(sorted(refused)),
        "outage": spread(outages_s),
    }


def _fill(balloon: Path) -> None:
    """Take what is left, to the last byte."""
    with balloon.open("ab") as file:
        for size in (1 << 20, 1 << 12):
            try:
                while True:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise


def _refuses(balloon: Path, said: set[str]) -> bool:
    """Whether the database has said that it cannot write. What it frees is taken at once."""
    _fill(balloon)
    try:
        with psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=2) as connection:
            connection.execute("CREATE TABLE drill_fills_it AS SELECT repeat('x', 900) FROM"
                               " generate_series(1, 9000)")  # fmt: skip
    except psycopg.Error as error:
        said.add(type(error).__name__)
        return True
    return False
