"""Two brokers with a master and investors each, on running processes, once for the module."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import pytest
from django.conf import settings
from django.conf.global_settings import PASSWORD_HASHERS
from django.test import override_settings
from playwright.sync_api import Browser
from pytest_django import DjangoDbBlocker

from apps.accounts.models import Master
from apps.demo.cast import PASSWORD, DemoMaster, Investor
from apps.demo.seed import make_master
from apps.demo.server import demo_server
from tenants.demo_brands import DEMO_BRANDS
from tenants.door import broker_schema, public_schema
from tenants.models import Brand, Broker
from tests.browser import chromium
from tests.conftest import temporary_broker
from tests.e2e.stack import Processes, environment
from tests.servers.peer import SimulatorProcess


@dataclass
class House:
    """One broker: its origin, its book, and who logs in there."""

    slug: str
    origin: str
    master: Master
    manager: str
    investor: str
    password: str = PASSWORD


@dataclass
class Street:
    """Both brokers and the processes behind them."""

    houses: tuple[House, House]
    processes: Processes


def _cast(slug: str) -> DemoMaster:
    investors = tuple(
        Investor(f"i{number}@{slug}.example", f"Investor {number}", currency, Decimal(deposit))
        for number, (currency, deposit) in enumerate(
            [("USD", "25000"), ("EUR", "12500"), ("JPY", "3000000")]
        )
    )
    manager = f"manager@{slug}.example"
    return DemoMaster(f"Master of {slug}", "", manager, "A Manager", "USD", investors)


def _house(broker: Broker, brand: str, web_port: int) -> House:
    slug = broker.slug
    cast = _cast(slug)
    with public_schema():
        Brand.objects.filter(broker=broker).update(**DEMO_BRANDS[brand])
    # the web process checks passwords with the product's own hasher, not with the tests' fast one
    with broker_schema(slug), override_settings(PASSWORD_HASHERS=PASSWORD_HASHERS):
        master = make_master(slug, demo_server(slug), cast, lambda _: None)
    origin = f"http://{slug}.localhost:{web_port}"
    return House(slug, origin, master, cast.manager_email, cast.investors[0].email)


@pytest.fixture(scope="module", autouse=True)  # before the browser, whose loop owns the thread
def street(
    process_env: dict[str, str],
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("street")
    simulator = SimulatorProcess(folder / "sim")
    simulator.start()
    before, settings.SIM_URL = settings.SIM_URL, simulator.url
    processes = Processes(environment(process_env, simulator.url), folder)
    try:
        with django_db_blocker.unblock(), temporary_broker() as one, temporary_broker() as two:
            processes.start_all()
            houses = (
                _house(one, "acme", processes.web_port),
                _house(two, "globex", processes.web_port),
            )
            yield Street(houses, processes)
            processes.stop()
    finally:
        processes.stop()
        settings.SIM_URL = before
        simulator.kill()


@pytest.fixture(scope="module")
def browser(street: Street) -> Iterator[Browser]:
    with chromium() as running:
        yield running
