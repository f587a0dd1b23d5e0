"""What is told by mail once it is committed: changes of password and second factor."""

from __future__ import annotations

import socket

import pytest
from django.core import mail
from django.core.cache import cache
from django.test import Client
from pytest_django.fixtures import Settings

from apps.accounts.models import User
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import person
from tests.front.people import EMAIL, PASSWORD, html_of, log_in, turn_on


@pytest.fixture
def client(own_broker: Broker) -> Client:
    cache.clear()
    with broker_schema(own_broker.slug):
        User.objects.filter(email=EMAIL).delete()
        person("manager", email=EMAIL, password=PASSWORD)
    made = Client(headers={"host": f"{own_broker.slug}.localhost"})
    assert log_in(made) == "/"
    return made


def test_changes_of_protection_are_told_in_the_brokers_name(
    own_broker: Broker, client: Client
) -> None:
    turn_on(client)
    new = "another-long-one-2"
    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert client.post("/accounts/password/change/", form).status_code == 302
    subjects = [message.subject for message in mail.outbox]
    assert subjects == ["Two-factor authentication is on", "Your password was changed"]
    for message in mail.outbox:
        assert message.to == [EMAIL]
        assert own_broker.brand.display_name in str(message.body)
        assert own_broker.brand.color_primary_light in html_of(message)
        assert "If this was not you" in html_of(message)


def test_a_mail_server_that_is_down_does_not_undo_the_change(
    own_broker: Broker, client: Client, settings: Settings
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = taken.getsockname()
        turn_on(client)
    assert "On" in client.get("/accounts/2fa/").content.decode()
