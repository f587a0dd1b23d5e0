"""The theme is known to the server before the first byte of the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from tenants.models import Broker

At = Callable[[str], Client]


def html_tag(client: Client) -> str:
    page = client.get("/accounts/login/").content.decode()
    return page[page.index("<html") : page.index(">", page.index("<html"))]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_cookie_is_in_the_markup(acme: Broker, client_at: At, theme: str) -> None:
    client = client_at("acme")
    client.cookies["theme"] = theme
    assert f'data-theme="{theme}"' in html_tag(client)


@pytest.mark.parametrize("theme", ["", "auto", '"><script>', "DARK"])
def test_anything_else_leaves_it_to_the_system(acme: Broker, client_at: At, theme: str) -> None:
    client = client_at("acme")
    client.cookies["theme"] = theme
    assert "data-theme=" not in html_tag(client)


def test_the_form_works_without_script(acme: Broker, client_at: At) -> None:
    client = client_at("acme")
    back = "http://acme.localhost/accounts/login/"
    answer = client.post("/brand/theme", {"theme": "dark"}, headers={"referer": back})
    assert answer["Location"] == back
    assert 'data-theme="dark"' in html_tag(client)
    client.post("/brand/theme", {"theme": "auto"}, headers={"referer": back})
    assert "data-theme=" not in html_tag(client)


def test_it_leads_back_to_no_other_host(acme: Broker, client_at: At) -> None:
    answer = client_at("acme").post(
        "/brand/theme", {"theme": "dark"}, headers={"referer": "https://evil.example/"}
    )
    assert answer["Location"] == "/"


def test_a_get_changes_nothing(acme: Broker, client_at: At) -> None:
    assert client_at("acme").get("/brand/theme?theme=dark").status_code == 405
