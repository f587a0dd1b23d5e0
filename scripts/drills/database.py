"""PostgreSQL killed with -9, with everybody connected to it, in the middle of trading."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psycopg
from psycopg.rows import TupleRow

from apps.engine import sql
from scripts.drills._scene import BROKER, Figures, Scene, spread, wait_for

KILLS, KILLS_LONG = 2, 20
HEAD = "SELECT coalesce(max(seq), 0) FROM {journal} WHERE book_id = %s"


def disturb(scene: Scene) -> Figures:
    """Outage: from the kill to the next record of the book, PostgreSQL's recovery included."""
    outages_s: list[float] = []
    for _ in range(KILLS_LONG if scene.long else KILLS):
        scene.pause(0.5, 2.0)
        began_s = time.monotonic()
        postmaster = scene.pid("postgres")
        for pid in [postmaster, *_children(postmaster)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        scene.wait_for_another("postgres", postmaster)
        with wait_for(connected, "PostgreSQL answers") as connection:
            wait_for_a_record(connection, scene)
        outages_s.append(time.monotonic() - began_s)
    return {"kills": len(outages_s), "outage": spread(outages_s)}


def connected() -> psycopg.Connection[TupleRow] | None:
    try:
        return psycopg.connect(os.environ["DATABASE_URL"], connect_timeout=2, autocommit=True)
    except psycopg.OperationalError:
        return None


def wait_for_a_record(connection: psycopg.Connection[TupleRow], scene: Scene) -> None:
    def head() -> int:
        query = sql.statement(BROKER, HEAD)
        row = connection.execute(query, [scene.stage.book_id]).fetchone()
        return int(row[0]) if row else 0

    recovered = head()
    wait_for(lambda: head() > recovered, "the book's journal grows again")


def _children(pid: int) -> list[int]:
    """Its direct children: the backends."""
    tasks = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in tasks.read_text().split()]
