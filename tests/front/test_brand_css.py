"""A broker's style sheet: its own, checked, and kept for ever only under its own version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from tenants.brand import PLATFORM
from tenants.brand_css import css_of
from tenants.brand_icon import icon_of
from tenants.demo_brands import DEMO_BRANDS
from tenants.models import Brand, Broker

At = Callable[[str], Client]


def dress(broker: Broker) -> Brand:
    brand = broker.brand
    for name, value in DEMO_BRANDS[broker.slug].items():
        setattr(brand, name, value)
    brand.save()
    return brand


def test_two_brokers_have_different_sheets(acme: Broker, globex: Broker, client_at: At) -> None:
    sheets = {}
    for broker in (acme, globex):
        brand = dress(broker)
        answer = client_at(broker.slug).get(f"/brand/{brand.version}.css")
        assert answer["Content-Type"].startswith("text/css")
        sheets[broker.slug] = answer.content.decode()
        assert str(brand.color_primary_light) in sheets[broker.slug]
    assert sheets["acme"] != sheets["globex"]
    assert "#5b2a9d" not in sheets["acme"]


def test_the_pages_link_the_published_version(acme: Broker, client_at: At) -> None:
    brand = dress(acme)
    brand.version = 7
    brand.save()
    page = client_at("acme").get("/accounts/login/").content.decode()
    assert 'href="/brand/7.css"' in page
    assert "demo/acme/logo-light.svg" in page


def test_only_the_published_version_is_kept_for_ever(acme: Broker, client_at: At) -> None:
    client = client_at("acme")
    version = acme.brand.version
    assert "immutable" in client.get(f"/brand/{version}.css")["Cache-Control"]
    assert "immutable" not in client.get(f"/brand/{version + 1}.css")["Cache-Control"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("color_primary_light", "red;} body{display:none", "bad_color"),
        ("color_primary_dark", "#12345", "bad_color"),
        ("color_accent_light", "#123456\n", "bad_color"),
        ("color_accent_dark", "url(//x)", "bad_color"),
        ("radius_px", 17, "bad_radius"),
        ("radius_px", -1, "bad_radius"),
        ("font", "Comic; } *{color:red", "bad_font"),
        ("logo_light", "../../etc/passwd.svg", "bad_image_path"),
        ("favicon", "javascript:alert(1)//a.svg", "bad_image_path"),
    ],
)
def test_a_value_that_is_not_a_token_is_refused_by_name(field: str, value: Any, code: str) -> None:
    with pytest.raises(ValidationError) as caught:
        css_of(replace(PLATFORM, **{field: value}))
    assert set(caught.value.error_dict) == {field}
    assert caught.value.error_dict[field][0].code == code


def test_a_bad_row_in_the_database_never_reaches_the_sheet(acme: Broker, client_at: At) -> None:
    Brand.objects.filter(pk=acme.brand.pk).update(color_primary_light="red;}*{")
    client = client_at("acme")
    client.raise_request_exception = False
    answer = client.get("/brand/1.css")
    assert answer.status_code == 500
    assert b"red;}" not in answer.content


def test_a_brokers_pages_do_not_name_the_platform(acme: Broker, client_at: At) -> None:
    dress(acme)
    client = client_at("acme")
    for path in ("/accounts/login/", "/accounts/password/reset/", "/accounts/signup/", "/nothing"):
        page = client.get(path).content.decode()
        assert "Acme Markets" in page, path
        assert "prorata" not in page.lower(), path


def test_the_public_host_wears_the_platforms_brand(acme: Broker, client_at: At) -> None:
    sheet = client_at("public").get("/brand/1.css").content.decode()
    assert PLATFORM.color_primary_light in sheet


def test_a_host_that_is_nobodys_is_not_branded(db: None, client_at: At) -> None:
    answer = client_at("nobody").get("/")
    assert answer.status_code == 404
    assert "prorata" not in answer.content.decode().lower()


def test_a_broker_without_an_icon_has_its_letter_on_its_colour(acme: Broker) -> None:
    answer = Client(headers={"host": "acme.localhost"}).get(f"/brand/{acme.brand.version}.svg")
    assert answer["Content-Type"] == "image/svg+xml"
    assert f'fill="{acme.brand.color_primary_light}"' in answer.content.decode()
    assert ">A</text>" in answer.content.decode()


def test_a_name_cannot_write_markup_into_the_icon() -> None:
    tokens = replace(PLATFORM, display_name="<script>")
    assert "&lt;</text>" in icon_of(tokens)
