"""A simulator process, an engine and a book with ten accounts, once for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.conf import settings

from apps.demo.main_job_setup import make_stage
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread
from tests.servers.peer import SimulatorProcess


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running simulator with generated quotes and faults allowed."""
    process = SimulatorProcess(tmp_path_factory.mktemp("sim") / "data", "--faults", "--speed", "4")
    process.start()
    before = settings.SIM_URL
    settings.SIM_URL = process.url
    yield process.url
    settings.SIM_URL = before
    process.kill()


@pytest.fixture(scope="module")
def desk(own_broker: Broker, simulator: str) -> Iterator[Desk]:
    """A running engine with a book of ten accounts."""
    slug = own_broker.slug
    with EngineThread(f"{slug}/one", slug):
        stage = make_stage(slug, 10, seed=5, say=lambda _: None)
        yield Desk(stage, simulator)
