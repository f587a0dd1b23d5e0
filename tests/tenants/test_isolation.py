"""One broker's people and sessions do not exist at another."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client

from apps.accounts.models import User
from tenants.door import broker_schema, current_broker, public_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tenants.services import NewBroker, create_broker
from tests.factories import person

At = Callable[[str], Client]


def current_schema() -> str:
    """What PostgreSQL itself says."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        return str(cursor.fetchone()[0])


def test_users_of_one_broker_are_absent_at_another(acme: Broker, globex: Broker) -> None:
    with broker_schema("acme"):
        person("manager", email="only@acme.example")
    with broker_schema("globex"):
        assert not User.objects.filter(email="only@acme.example").exists()


def test_a_session_of_one_broker_opens_nothing_at_another(
    acme: Broker, globex: Broker, client_at: At
) -> None:
    with broker_schema("acme"):
        user = person("manager")
    at_acme, at_globex = client_at("acme"), client_at("globex")
    with broker_schema("acme"):
        at_acme.force_login(user)
    at_globex.cookies["sessionid"] = at_acme.cookies["sessionid"].value
    assert at_acme.get("/accounts/2fa/").status_code == 200
    answer = at_globex.get("/accounts/2fa/")
    assert answer.status_code == 302
    assert "login" in answer["Location"]


def test_an_unknown_host_gets_404_before_any_view(db: None, client_at: At) -> None:
    assert client_at("nobody").get("/").status_code == 404


def test_the_door_restores_the_schema_after_an_error(acme: Broker) -> None:
    with pytest.raises(ValueError, match="inside"), broker_schema("acme"):
        raise ValueError("inside")
    assert current_schema() == "public"


def test_the_schema_is_right_after_a_savepoint_rolled_back(acme: Broker, globex: Broker) -> None:
    """search_path set inside a rolled-back savepoint is undone by PostgreSQL, not by Django."""
    with broker_schema("acme"):
        with pytest.raises(IntegrityError), transaction.atomic(), broker_schema("globex"):
            User.objects.bulk_create([User(email="twice@example.test") for _ in range(2)])
        person("manager", email="after@example.test")
        assert current_schema() == "acme"
    with broker_schema("globex"):
        assert not User.objects.filter(email="after@example.test").exists()


def test_code_outside_a_brokers_schema_is_told_so(db: None) -> None:
    with public_schema(), pytest.raises(TenantError) as caught:
        current_broker()
    assert caught.value.code == "no_broker"


@pytest.mark.parametrize(
    "slug", ["", "A", "1a", "a-b", "public", "pgx", "a" * 31, 'a"; drop', "template"]
)
def test_a_bad_slug_is_refused_and_nothing_is_made(db: None, slug: str) -> None:
    before = Broker.objects.count()
    with pytest.raises(TenantError) as caught:
        create_broker(NewBroker(slug, "X", "x.localhost", "x@example.test"))
    assert caught.value.code == "slug_invalid"
    assert Broker.objects.count() == before


def test_a_taken_domain_or_slug_is_refused(acme: Broker) -> None:
    with pytest.raises(TenantError, match="belongs to a broker"):
        create_broker(NewBroker("other", "X", "acme.localhost", "x@example.test"))
    with pytest.raises(TenantError, match="is a broker"):
        create_broker(NewBroker("acme", "X", "other.localhost", "x@example.test"))


def test_a_bad_brand_leaves_no_schema_behind(db: None) -> None:
    with pytest.raises(TenantError) as caught:
        create_broker(
            NewBroker(
                "halfmade", "X", "half.localhost", "x@example.test",
                brand={"color_primary_light": "red;}"},
            )
        )  # fmt: skip
    assert caught.value.code == "brand_invalid"
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = 'halfmade'")
        assert cursor.fetchone() is None


def test_an_email_differs_only_by_case_is_the_same_person(in_acme: Broker) -> None:
    person("manager", email="Same@Example.test")
    with pytest.raises(Exception, match="already exists"):
        person("manager", email="same@example.test")
