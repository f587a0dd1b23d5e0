"""Logging in, out, resetting, and the second factor: through the real views of a broker's host."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.cache import cache
from django.test import Client

from apps.accounts.models import User
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import person
from tests.front.people import EMAIL, PASSWORD, code_for, html_of, log_in, turn_on

At = Callable[[str], Client]


@pytest.fixture(autouse=True)
def _no_attempts_left_over() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def manager(acme: Broker) -> None:
    with broker_schema("acme"):
        person("manager", email=EMAIL, password=PASSWORD)


def test_the_right_password_leads_in_and_a_post_leads_out(manager: None, client_at: At) -> None:
    client = client_at("acme")
    assert log_in(client) == "/"
    assert client.get("/accounts/logout/").status_code == 200
    assert client.get("/accounts/2fa/").status_code == 200
    client.post("/accounts/logout/")
    assert client.get("/accounts/2fa/").status_code == 302


def test_a_wrong_password_and_an_unknown_address_look_the_same(
    manager: None, client_at: At
) -> None:
    pages = []
    for email, password in ((EMAIL, "wrong-password"), ("nobody@example.test", PASSWORD)):
        answer = client_at("acme").post("/accounts/login/", {"login": email, "password": password})
        assert answer.status_code == 200
        page = answer.content.decode().replace(email, "X")
        pages.append(re.sub(r'(value|X-CSRFToken)": "[^"]+"|value="[^"]*"', "", page))
        assert 'role="alert"' in page
    assert pages[0] == pages[1]


def test_the_same_person_is_nobody_at_another_broker(
    manager: None, globex: Broker, client_at: At
) -> None:
    assert log_in(client_at("globex")) == ""


def test_too_many_wrong_passwords_close_the_door_for_the_right_one(
    manager: None, client_at: At
) -> None:
    client = client_at("acme")
    for _ in range(10):
        log_in(client, password="wrong-password")
    assert log_in(client) == ""
    page = client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD})
    assert "Too many" in page.content.decode()


def test_a_reset_link_is_branded_and_works_once(manager: None, acme: Broker, client_at: At) -> None:
    client = client_at("acme")
    client.post("/accounts/password/reset/", {"email": EMAIL})
    (message,) = mail.outbox
    brand = acme.brand
    assert message.from_email == f"{brand.display_name} <{brand.sender_email}>"
    assert brand.display_name in message.subject
    assert "[" not in message.subject
    html = html_of(message)
    assert brand.color_primary_light in html
    assert "prorata" not in (str(message.body) + html).lower()
    link = re.search(r"http://acme\.localhost(\S+)", str(message.body))
    assert link is not None
    form = client.get(link.group(1), follow=True)
    action = form.redirect_chain[-1][0]
    new = {"password1": "another-long-one-2", "password2": "another-long-one-2"}
    assert client.post(action, new).status_code == 302
    assert log_in(client_at("acme"), password="another-long-one-2") == "/"
    inside = client_at("acme")
    log_in(inside, password="another-long-one-2")
    inside.post("/accounts/reauthenticate/", {"password": "another-long-one-2"})
    page = inside.get("/accounts/2fa/totp/activate/")
    assert page.status_code == 200  # an address that nobody verified is no obstacle
    again = client_at("acme").get(link.group(1), follow=True)
    assert "no longer works" in again.content.decode()


def test_a_reset_for_an_unknown_address_answers_alike(manager: None, client_at: At) -> None:
    client = client_at("acme")
    known = client.post("/accounts/password/reset/", {"email": EMAIL})
    unknown = client.post("/accounts/password/reset/", {"email": "nobody@example.test"})
    assert known["Location"] == unknown["Location"]
    assert "no account has this address" in str(mail.outbox[1].body)


def test_with_a_second_factor_the_password_alone_leads_nowhere(
    manager: None, client_at: At
) -> None:
    secret = turn_on_as_manager(client_at)
    client = client_at("acme")
    assert log_in(client) == "/accounts/2fa/authenticate/"
    assert client.get("/accounts/2fa/").status_code == 302
    wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert wrong.status_code == 200
    cache.clear()  # a code is taken once within its half minute; the activation used this one
    assert client.post("/accounts/2fa/authenticate/", {"code": code_for(secret)}).status_code == 302
    assert client.get("/accounts/2fa/").status_code == 200


def turn_on_as_manager(client_at: At) -> str:
    client = client_at("acme")
    log_in(client)
    return turn_on(client)


def test_a_recovery_code_opens_once(manager: None, client_at: At) -> None:
    client = client_at("acme")
    log_in(client)
    turn_on(client)
    page = client.get("/accounts/2fa/recovery-codes/").content.decode()
    codes = re.findall(r'<li class="id">(\d+)</li>', page)
    assert len(codes) == 10
    for expected in (302, 200):
        fresh = client_at("acme")
        log_in(fresh)
        answer = fresh.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        assert answer.status_code == expected


def test_the_key_is_sealed_at_rest_and_named_after_the_broker(
    manager: None, acme: Broker, client_at: At
) -> None:
    client = client_at("acme")
    log_in(client)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    page = client.get("/accounts/2fa/totp/activate/")
    assert acme.brand.display_name.replace(" ", "%20") in page.context["totp_url"]
    secret = turn_on(client)
    with broker_schema("acme"):
        (kept,) = Authenticator.objects.filter(type="totp").values_list("data", flat=True)
    assert secret not in str(kept)


def test_nobody_signs_up_by_themselves(acme: Broker, client_at: At) -> None:
    client = client_at("acme")
    form = {"email": "new@example.test", "password1": PASSWORD, "password2": PASSWORD}
    assert "by invitation" in client.post("/accounts/signup/", form).content.decode()
    assert log_in(client, "new@example.test") == ""


def test_nobody_changes_the_address_their_broker_invited(manager: None, client_at: At) -> None:
    client = client_at("acme")
    log_in(client)
    form = {"action_add": "", "email": "other@example.test"}
    assert client.post("/accounts/email/", form).status_code == 404


def test_who_has_no_role_is_told_so_and_stays_logged_in(acme: Broker, client_at: At) -> None:
    with broker_schema("acme"):
        person("investor", email=EMAIL, password=PASSWORD)
        User.objects.update(roles=[])
    client = client_at("acme")
    assert log_in(client) == "/"
    page = client.get("/")
    assert page.status_code == 403
    assert EMAIL in page.content.decode()
    assert client.get("/accounts/2fa/").status_code == 200
