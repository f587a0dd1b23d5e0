"""Every address as every role of both brokers, against one table."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from tenants.models import Broker
from tests.permissions import table as t
from tests.permissions.addresses import AT_A_BROKER, AT_THE_PLATFORM, names_of
from tests.permissions.scene import Scene, make_scene

IN, LOG_IN, UNKNOWN_KEY, FORBIDDEN, ABSENT = "in", "log in", "no key", "forbidden", "absent"


@pytest.fixture
def scene(acme: Broker, globex: Broker) -> Scene:
    return make_scene()


def outcome_of(response: Any) -> str:
    """How the address met who asked."""
    if response.status_code == 302 and response["Location"].startswith("/accounts/login"):
        return LOG_IN
    named = {401: UNKNOWN_KEY, 403: FORBIDDEN, 404: ABSENT}
    return named.get(response.status_code, IN)


def ask(client: Client, row: t.Row, path: str, **headers: str) -> Any:
    cache.clear()  # limits by address are another test's
    body = json.dumps(t.BODIES.get(row.name, {}))
    key = {"idempotency-key": str(uuid.uuid4())}
    return client.generic(row.method, path, body, "application/json", headers=headers | key)


def expected(row: t.Row, who: str) -> str:
    if who in row.who:
        return IN
    if who in (t.ANON, t.FOREIGN):
        return LOG_IN
    return ABSENT if who in row.absent_for else FORBIDDEN


def test_every_address_of_a_broker_is_in_the_table() -> None:
    rows = {row.name for row in (*t.PAGES, *t.API)}
    told = {*rows, *t.WITHIN_A_FLOW, *t.OFFERED_TO_NOBODY, *t.API_OPEN, "design"}
    found = set(names_of(AT_A_BROKER))
    assert found - told == set(), "an address without a row"
    assert told - found == set(), "a row without an address"


def test_every_address_of_the_platform_is_in_the_table() -> None:
    assert set(names_of(AT_THE_PLATFORM)) == set(t.PLATFORM)


@pytest.mark.parametrize("who", t.SESSIONS)
def test_a_page_opens_to_whom_the_table_names_and_to_nobody_else(scene: Scene, who: str) -> None:
    client = scene.client(who)
    wrong = {}
    for row in t.PAGES:
        path = scene.path(row)
        met = outcome_of(ask(client, row, path))
        if met != expected(row, who):
            wrong[f"{row.method} {path}"] = f"{met}, not {expected(row, who)}"
    assert wrong == {}


@pytest.mark.parametrize("who", t.KEYS)
def test_the_api_opens_to_the_keys_that_the_table_names(scene: Scene, who: str) -> None:
    client = scene.client(t.ANON)
    wrong = {}
    for row in t.API:
        path = scene.path(row)
        met = outcome_of(ask(client, row, path, authorization=f"Bearer {scene.keys[who]}"))
        should = UNKNOWN_KEY if who == t.FOREIGN_KEY else expected(row, who)
        if met != should:
            wrong[f"{row.method} {path}"] = f"{met}, not {should}"
    assert wrong == {}


@pytest.mark.parametrize("who", t.SESSIONS)
def test_a_session_opens_nothing_of_the_api(scene: Scene, who: str) -> None:
    client = scene.client(who)
    met = {row.name: outcome_of(ask(client, row, scene.path(row))) for row in t.API}
    assert set(met.values()) == {UNKNOWN_KEY}, met


@pytest.mark.parametrize("who", t.KEYS)
def test_a_key_opens_no_page(scene: Scene, who: str) -> None:
    client = scene.client(t.ANON)
    wrong = {}
    for row in t.PAGES:
        if t.ANON in row.who:
            continue
        answer = ask(client, row, scene.path(row), authorization=f"Bearer {scene.keys[who]}")
        if outcome_of(answer) != LOG_IN:
            wrong[row.name] = outcome_of(answer)
    assert wrong == {}
