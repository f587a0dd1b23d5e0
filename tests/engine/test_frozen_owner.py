"""A frozen owner (SIGSTOP, a paused machine) inside a transaction: its locks must not outlive its
lease, whatever they are on."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import LiteralString

import pytest
from psycopg.conninfo import make_conninfo

from apps.demo.main_job_setup import Stage, make_stage
from apps.engine import client, sql
from tenants.models import Broker
from tests.engine.desk import ROOT, Desk, EngineThread, committed, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database
FROZEN_HAS_IT = """
UPDATE {lease} SET owner = 'frozen', sessions = %s, epoch = epoch + 1,
    heartbeat_at = clock_timestamp()
WHERE book_id = %s
"""
LOCKS: dict[str, LiteralString] = {
    "the lease": "SELECT 1 FROM {lease} WHERE book_id = {book} FOR SHARE",
    "the projection": sql.LOCK_PROJECTION.replace("%(book)s", "{book}"),
    "the symbols": "UPDATE {symbol} SET description = description",
}


@pytest.fixture(scope="module")
def stage(own_broker: Broker, simulator: str) -> Stage:
    """A book that nobody serves."""
    slug = own_broker.slug
    with EngineThread(f"{slug}/before", slug):
        return committed(lambda: make_stage(slug, 3, seed=1, say=lambda _: None))


@pytest.mark.parametrize("what", LOCKS)
def test_a_frozen_owner_keeps_nobody_waiting(stage: Stage, simulator: str, what: str) -> None:
    slug, desk = stage.broker, Desk(stage, simulator)
    sessions = f"frozen with {what}"
    ((epoch,),) = desk.sql("SELECT epoch FROM {lease} WHERE book_id = %s", stage.book_id)
    desk.do(FROZEN_HAS_IT, sessions, stage.book_id)
    lock = sql.statement(slug, LOCKS[what].replace("{book}", f"'{stage.book_id}'")).as_string()
    conninfo = make_conninfo(sql.conninfo(), application_name=sessions)
    command = [sys.executable, "-m", "tests.engine.frozen_session", conninfo, lock]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as frozen:
        assert frozen.stdout is not None
        try:
            assert frozen.stdout.readline() == "holding\n"
            with EngineThread(f"{slug}/next", slug):
                wait_for(lambda: _epoch(stage) == epoch + 2)
                block_id = desk.place("1.00")
                desk.wait_state(block_id, "open")
                desk.flat()
                desk.verify()
                frozen.send_signal(signal.SIGCONT)
                assert frozen.stdout.readline() == "fenced\n"
        finally:
            frozen.kill()


def _epoch(stage: Stage) -> int:
    frame = client.latest_frame(stage.broker, stage.book_id)
    return frame.epoch if frame else 0
