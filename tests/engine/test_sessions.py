"""A symbol that does not trade now: refused by the book, as by its server."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from django.conf import settings

from apps.core.errors import RejectedError
from apps.core.sessions import WEEK_MINUTES, minute_of_week
from apps.demo.main_job_setup import make_stage
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread
from tests.servers.peer import SimulatorProcess

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


@pytest.fixture(scope="module")
def desk(own_broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A book on a simulator where gold trades for half an hour, an hour from now."""
    minute = minute_of_week(time.time_ns() // 1_000_000)
    begins = (minute + 60) % (WEEK_MINUTES - 60)
    process = SimulatorProcess(
        tmp_path_factory.mktemp("sim") / "data", "--session", f"XAUUSD={begins}-{begins + 30}"
    )
    process.start()
    before, settings.SIM_URL = settings.SIM_URL, process.url
    slug = own_broker.slug
    with EngineThread(f"{slug}/one", slug):
        yield Desk(make_stage(slug, 3, seed=9, say=lambda _: None), process.url)
    settings.SIM_URL = before
    process.kill()


def test_outside_its_sessions_a_symbol_is_refused_and_the_others_trade(desk: Desk) -> None:
    for lots in ("1.00", "2.00"):
        with pytest.raises(RejectedError) as caught:
            desk.place(lots, "XAUUSD")
        assert caught.value.code == "market_closed"
    block_id = desk.place("1.00")
    desk.wait_state(block_id, "open")
    desk.flat()
    desk.verify()
