"""kill -9 in the middle of a block's legs: every account's order is executed once, none is lost."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from apps.demo.main_job_setup import make_stage
from tenants.models import Broker
from tests.engine.desk import Desk, Supervisor, committed, wait_for
from tests.engine.test_mirror import plain_server

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database
ACCOUNTS = 150


@pytest.fixture(scope="module")
def supervised(
    own_broker: Broker,
    simulator: str,
    process_env: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Desk, Supervisor]]:
    slug = own_broker.slug
    committed(lambda: plain_server(slug))
    pid_file = tmp_path_factory.mktemp("engine") / "engine.pid"
    environment = {**process_env, "SIM_URL": simulator}
    with Supervisor(slug, environment, pid_file) as supervisor:
        stage = make_stage(slug, ACCOUNTS, seed=9, say=lambda _: None)
        yield Desk(stage, simulator), supervisor


def count(desk: Desk, block_id: object, status: str) -> int:
    query = "SELECT count(*) FROM {allocation} WHERE block_id = %s AND leg_status = %s"
    return int(desk.sql(query, block_id, status)[0][0])


def test_a_killed_engine_loses_and_repeats_no_leg(
    supervised: tuple[Desk, Supervisor],
) -> None:
    desk, supervisor = supervised
    desk.fault("delay", count=60, delay_ms=400)  # so that the kill finds legs under way
    block_id = desk.place("50.00")
    wait_for(lambda: count(desk, block_id, "sent") > 0)
    supervisor.kill()
    began_s = time.monotonic()
    wait_for(lambda: count(desk, block_id, "sent") == 0 and desk.state_of(block_id) == "open", 60)
    assert time.monotonic() - began_s < 60
    ((legs, steps),) = desk.sql(
        "SELECT count(*), sum(steps) FROM {allocation} WHERE block_id = %s AND steps > 0", block_id
    )
    ((tickets, opened),) = desk.sql(
        "SELECT count(*), sum(steps) FROM {ticket} WHERE block_id = %s", block_id
    )
    assert (tickets, opened) == (legs, steps)
    desk.close(block_id)
    wait_for(
        lambda: (
            int(desk.sql("SELECT open_steps FROM {block} WHERE id = %s", block_id)[0][0]) < opened
        )
    )
    supervisor.kill()
    wait_for(lambda: desk.state_of(block_id) == "closed", 60)
    report = desk.verify()
    assert report.counts["LegFilled"] == report.counts["LegClosed"] == legs
