"""Fixtures every room uses: two brokers made once, a third of one's own for committed data."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import redis
from django.conf import settings
from django.test import Client
from django.test.utils import setup_databases, teardown_databases
from hypothesis import settings as hypothesis_settings
from pytest_django import DjangoDbBlocker

from tenants.door import broker_schema, public_schema
from tenants.models import Broker
from tenants.services import NewBroker, create_broker, prepare_database

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# No assertion is timed: a machine is shared, and a slow example is no wrong one.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None,
    django_db_modify_db_settings: None,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[None]:
    """A test database with the template schema and two brokers, `acme` and `globex`, per worker.

    Made here and not by pytest-django, which makes none when no collected test is *marked*
    django_db: fixtures that commit (own_broker) would then write into the real database.
    """
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
        prepare_database("localhost")
        for slug in ("acme", "globex"):
            _make_broker(slug)
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


def _make_broker(slug: str) -> Broker:
    return create_broker(
        NewBroker(
            slug=slug,
            legal_name=f"{slug.title()} Markets Ltd",
            domain=f"{slug}.localhost",
            admin_email=f"admin@{slug}.example",
            admin_password="admin-password-1",
        )
    )


@pytest.fixture
def acme(db: None) -> Broker:
    return Broker.objects.select_related("brand").get(schema_name="acme")


@pytest.fixture
def globex(db: None) -> Broker:
    return Broker.objects.select_related("brand").get(schema_name="globex")


@pytest.fixture
def in_acme(acme: Broker) -> Iterator[Broker]:
    """The test runs inside acme's schema; rolled back afterwards."""
    with broker_schema("acme"):
        yield acme


@pytest.fixture
def in_globex(globex: Broker) -> Iterator[Broker]:
    with broker_schema("globex"):
        yield globex


@pytest.fixture
def client_at() -> Callable[[str], Client]:
    """`client_at("acme")`: a test client that speaks to acme's host."""

    def make(slug: str) -> Client:
        host = "localhost" if slug == "public" else f"{slug}.localhost"
        return Client(headers={"host": host})

    return make


@contextmanager
def temporary_broker() -> Iterator[Broker]:
    """A broker whose rows are really committed; its schema and Redis keys are dropped after.

    Database access must be open.
    """
    slug = f"t{uuid.uuid4().hex[:10]}"
    broker = _make_broker(slug)
    yield broker
    with public_schema():
        broker.delete(force_drop=True)
    store = redis.Redis.from_url(settings.REDIS_URL)
    for key in store.scan_iter(f"*{slug}*"):
        store.delete(key)


@pytest.fixture(scope="module")
def own_broker(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Broker]:
    """A broker for this module alone, committed: other processes see it."""
    with django_db_blocker.unblock(), temporary_broker() as broker:
        yield broker


@pytest.fixture(scope="session")
def process_env(django_db_setup: None) -> dict[str, str]:
    """The environment for a real process of ours that must see this worker's test database."""
    database = settings.DATABASES["default"]
    host = quote(str(database["HOST"]), safe="")
    port = f":{database['PORT']}" if database["PORT"] else ""
    password = f":{quote(str(database['PASSWORD']), safe='')}" if database["PASSWORD"] else ""
    return {
        **os.environ,
        "DATABASE_URL": (
            f"postgres://{database['USER']}{password}@{host}{port}/{database['NAME']}"
        ),
        "REDIS_URL": settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "1",
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The shared reference data beside the project; skips where there is none."""
    if not (SHARED / "data").is_dir():
        pytest.skip("the shared reference data is not beside this checkout")
    return SHARED / "data"
