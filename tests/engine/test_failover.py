"""Failover: no other engine runs here than the ones that a test starts."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.demo.main_job_checks import check_all
from apps.demo.main_job_setup import make_stage
from apps.demo.main_job_trade import Trader
from apps.engine import client
from apps.engine.differences import reconciled
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread, Supervisor, committed, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def test_a_standby_waits_and_takes_over_when_the_owner_stops(
    own_broker: Broker, simulator: str
) -> None:
    slug = own_broker.slug
    lease = "SELECT owner, epoch FROM {lease} WHERE book_id = %s"
    stop_first = threading.Event()

    def first() -> None:
        with EngineThread(f"{slug}/first", slug):
            stop_first.wait(30)

    owner = threading.Thread(target=first)
    owner.start()
    try:
        stage = committed(lambda: make_stage(slug, 3, seed=1, say=lambda _: None))
        desk = Desk(stage, simulator)
        ((_, epoch),) = desk.sql(lease, stage.book_id)
        with EngineThread(f"{slug}/second", slug):
            stop_first.set()
            owner.join(20)
            wait_for(lambda: desk.sql(lease, stage.book_id) == [(f"{slug}/second", epoch + 1)])
            wait_for(lambda: client.is_held(slug, stage.book_id))
            block_id = desk.place("1.00")
            desk.wait_state(block_id, "open")
            desk.flat()
            desk.verify()
    finally:
        stop_first.set()
        owner.join(20)


def test_kill_9_in_the_middle_loses_nothing_and_repeats_nothing(
    own_broker: Broker, simulator: str, process_env: dict[str, str], tmp_path: Path
) -> None:
    environment = {**process_env, "SIM_URL": simulator}
    with Supervisor(own_broker.slug, environment, tmp_path / "engine.pid") as supervisor:
        stage = committed(lambda: make_stage(own_broker.slug, 30, seed=3, say=lambda _: None))

        def kill() -> float:
            supervisor.kill()
            return 0.0

        trades = Trader(stage, 12, seed=3).play(kill)
        checks = check_all(stage, trades, 12)
    assert [check for check in checks if not check.ok] == []
    assert trades.killed


def test_a_book_that_was_not_compared_lately_is_stale_and_status_says_so(
    own_broker: Broker, simulator: str, capsys: pytest.CaptureFixture[str]
) -> None:
    slug = own_broker.slug
    with EngineThread(f"{slug}/third", slug):
        stage = committed(lambda: make_stage(slug, 3, seed=4, say=lambda _: None))
    Desk(stage, simulator).do("DELETE FROM {reconciliation}")
    assert reconciled(slug).state == "stale"
    with pytest.raises(CommandError, match="1 of 1 need attention"):
        call_command("status", broker=slug)
    said = capsys.readouterr().out
    assert "books served by nobody" in said
    assert "never compared" in said
