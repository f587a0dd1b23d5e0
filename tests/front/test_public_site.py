"""The platform's own host: nobody logs in there, and its status page does not guess."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.urls import get_urlconf, set_urlconf

from tenants.models import Broker
from tenants.site.facts import DEGRADED, DOWN, OK, UNKNOWN, EngineFacts, Provider, judge, worst
from tenants.site.status import StatusView
from tenants.site.topics import TOPICS

At = Callable[[str], Client]
GOOD = EngineFacts(
    books_total=3,
    books_led=3,
    heartbeat_age_ms=400,
    journal_lag=0,
    lag_age_ms=None,
    quote_age_ms=120,
)


def states(facts: EngineFacts | None) -> dict[str, str]:
    return {check.code: check.state for check in judge(facts)}


def status_page(provider: Provider | None, **options: bool) -> str:
    before = get_urlconf()
    set_urlconf("config.urls_public")
    try:
        request = RequestFactory(headers={"host": "localhost"}).get("/status")
        view = StatusView.as_view(provider=provider, **options)
        answer = view(request)
        assert isinstance(answer, HttpResponse)
        return answer.content.decode()
    finally:
        set_urlconf(before)


@pytest.mark.parametrize("path", ["/", "/demo", "/login", "/status", "/healthz"])
def test_its_pages_open(acme: Broker, client_at: At, path: str) -> None:
    assert client_at("public").get(path).status_code == 200


@pytest.mark.parametrize("topic", [each.slug for each in TOPICS])
def test_every_topic_has_its_page(acme: Broker, client_at: At, topic: str) -> None:
    assert client_at("public").get(f"/product/{topic}").status_code == 200


def test_an_unknown_topic_is_absent(acme: Broker, client_at: At) -> None:
    assert client_at("public").get("/product/nothing").status_code == 404


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/2fa/", "/desk/", "/api/v1/"])
def test_nobody_logs_in_or_works_there(acme: Broker, client_at: At, path: str) -> None:
    assert client_at("public").get(path).status_code == 404


@pytest.mark.parametrize("path", ["/", "/status", "/nothing"])
def test_a_stray_session_cookie_breaks_nothing(acme: Broker, client_at: At, path: str) -> None:
    client = client_at("public")
    client.cookies["sessionid"] = "abcdefghijklmnopqrstuvwxyz012345"
    assert client.get(path).status_code in (200, 404)


@pytest.mark.parametrize(
    "typed", ["acme.localhost", "https://ACME.localhost/desk/", " acme.localhost:80 "]
)
def test_a_brokers_log_in_is_found_by_its_address(acme: Broker, client_at: At, typed: str) -> None:
    page = client_at("public").get("/login", {"domain": typed}).content.decode()
    assert 'href="http://acme.localhost/accounts/login/"' in page


@pytest.mark.parametrize("typed", ["evil.example", "localhost", "acme", "<b>x</b>"])
def test_no_link_leads_to_a_host_that_is_no_brokers(
    acme: Broker, client_at: At, typed: str
) -> None:
    answer = client_at("public").get("/login", {"domain": typed})
    assert answer.status_code == 404
    page = answer.content.decode()
    assert "/accounts/login/" not in page
    assert "<b>x" not in page


def test_without_a_provider_every_broker_is_unknown(acme: Broker, globex: Broker) -> None:
    page = status_page(None, show_names=True)
    assert "Not everything is known" in page
    assert page.count("It could not be asked.") == 6
    assert "Everything runs" not in page


def test_a_provider_that_fails_is_unknown_not_fine(acme: Broker) -> None:
    def broken(slug: str) -> EngineFacts:
        raise ConnectionError(slug)

    assert "Not everything is known" in status_page(broken)


def test_good_facts_make_a_good_page_and_one_bad_broker_a_bad_one(
    acme: Broker, globex: Broker
) -> None:
    assert "Everything runs" in status_page(lambda slug: GOOD)
    led = {"acme": 3, "globex": 0}
    page = status_page(lambda slug: replace(GOOD, books_led=led[slug]))
    assert "Something does not run" in page


def test_clients_are_listed_by_name_only_when_told_to(acme: Broker) -> None:
    name = acme.brand.display_name
    assert name not in status_page(lambda slug: GOOD)
    assert name in status_page(lambda slug: GOOD, show_names=True)


def test_a_suspended_broker_is_not_watched(acme: Broker, globex: Broker) -> None:
    asked: list[str] = []
    Broker.objects.filter(pk=globex.pk).update(status=Broker.Status.SUSPENDED)

    def provider(slug: str) -> EngineFacts:
        asked.append(slug)
        return GOOD

    status_page(provider)
    assert "acme" in asked
    assert "globex" not in asked


def test_machines_read_the_same_report(acme: Broker, client_at: At) -> None:
    answer = client_at("public").get("/status.json")
    report = answer.json()
    assert answer["Cache-Control"] == "no-store"
    assert report["lines"][0]["checks"][0] == {
        "code": "database", "label": "Database", "state": "ok", "note": "It answers.",
        "value": report["lines"][0]["checks"][0]["value"], "unit": "ms",
    }  # fmt: skip
    assert report["at_ms"] > 1_700_000_000_000


@pytest.mark.parametrize(
    ("change", "code", "state"),
    [
        ({}, "engine", OK),
        ({"books_total": 0, "books_led": 0, "heartbeat_age_ms": None}, "engine", OK),
        ({"books_led": 0}, "engine", DOWN),
        ({"books_led": 2}, "engine", DEGRADED),
        ({"heartbeat_age_ms": None}, "engine", UNKNOWN),
        ({"heartbeat_age_ms": 5_001}, "engine", DEGRADED),
        ({"journal_lag": None}, "journal", UNKNOWN),
        ({"journal_lag": 9_000, "lag_age_ms": 5_000}, "journal", OK),
        ({"journal_lag": 1, "lag_age_ms": 5_001}, "journal", DEGRADED),
        ({"journal_lag": 1, "lag_age_ms": None}, "journal", DEGRADED),
        ({"quote_age_ms": 5_000}, "quotes", OK),
        ({"quote_age_ms": 5_001}, "quotes", DEGRADED),
        ({"quote_age_ms": 60_001}, "quotes", DOWN),
        ({"quote_age_ms": None}, "quotes", DOWN),
        ({"quote_age_ms": None, "books_total": 0, "books_led": 0}, "quotes", OK),
        ({"quote_age_ms": 90_000_000, "market_open": False}, "quotes", OK),
    ],
)
def test_what_is_measured_decides_the_state(
    change: dict[str, int | None], code: str, state: str
) -> None:
    assert states(replace(GOOD, **change))[code] == state  # type: ignore[arg-type]


def test_nothing_known_is_never_fine() -> None:
    assert set(states(None).values()) == {UNKNOWN}
    assert worst([]) == UNKNOWN
    assert worst([OK, UNKNOWN]) == UNKNOWN
    assert worst([DEGRADED, UNKNOWN, OK]) == DEGRADED
    assert worst([OK, DOWN, UNKNOWN]) == DOWN
