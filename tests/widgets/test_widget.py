"""The embed over HTTP: headers, who may frame it, what it shows and what it never does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from apps.accounts.models import AuditEntry, Master
from apps.leaderboards.board import board, save_widget_settings, widget_settings
from apps.leaderboards.models import LeaderboardRow
from apps.widgets.limits import PER_MINUTE
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import master, person

At = Callable[[str], Client]
FRAME, SCRIPT = "/widgets/leaderboard", "/widgets/leaderboard.js"


@pytest.fixture(autouse=True)
def _no_limits_left_over() -> None:
    cache.clear()


def row(of: Master, rank: int = 1, **fields: object) -> LeaderboardRow:
    values: dict[str, object] = {
        "source": "live",
        "gain": 0.1234,
        "max_drawdown": -0.05,
        "profit_factor": 1.5,
        "win_rate": 0.55,
        "trades": 40,
        "aum_minor": 123_456_700,
        "aum_currency": "USD",
        "subscribers": 12,
        "sparkline": [1.0, 1.05, 1.1234],
        "as_of": timezone.now(),
        **fields,
    }
    return LeaderboardRow.objects.create(master=of, rank=rank, **values)


def directive(response: object, name: str) -> str:
    policy = response["Content-Security-Policy"]  # type: ignore[index]
    return next(part.strip() for part in policy.split(";") if part.strip().startswith(name))


def test_nobody_else_may_frame_it_until_the_broker_says_so(in_acme: Broker, client_at: At) -> None:
    response = client_at("acme").get(FRAME)
    assert directive(response, "frame-ancestors") == "frame-ancestors 'self'"
    save_widget_settings(None, {"allowed_origins": "https://WWW.Acme.example/\nhttps://b.example"})
    response = client_at("acme").get(FRAME)
    assert directive(response, "frame-ancestors") == (
        "frame-ancestors 'self' https://b.example https://www.acme.example"
    )
    assert directive(response, "script-src") == "script-src 'self'"
    assert "X-Frame-Options" not in response
    assert client_at("acme").get("/accounts/login/")["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize(
    "origin",
    [
        "https://x.example; script-src *",
        "javascript:alert(1)",
        "http://x.example",
        "https://x.example/path",
        "https://*.example",
        "'unsafe-inline'",
    ],
)
def test_only_an_origin_gets_into_the_policy(in_acme: Broker, origin: str) -> None:
    with pytest.raises(ValidationError):
        save_widget_settings(None, {"allowed_origins": origin})
    assert widget_settings().allowed_origins == ""
    assert not AuditEntry.objects.filter(action="widget.settings").exists()


def test_a_masters_name_is_text_never_markup(in_acme: Broker, client_at: At) -> None:
    name = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'
    row(master(person("manager"), name))
    page = client_at("acme").get(FRAME).content.decode()
    assert "&lt;img src=x" in page
    assert "<img src=x" not in page
    assert "alert(2)</script>" not in page.replace("&lt;", "")


def test_only_public_active_masters_and_nobodys_person(in_acme: Broker, client_at: At) -> None:
    manager = person("manager", email="secret.person@acme.example")
    shown, hidden, gone = (master(manager, name) for name in ("Shown", "Hidden", "Gone"))
    for rank, one in enumerate((shown, hidden, gone), start=1):
        row(one, rank)
    Master.objects.filter(pk=hidden.pk).update(is_public=False)
    Master.objects.filter(pk=gone.pk).update(is_active=False)
    page = client_at("acme").get(FRAME).content.decode()
    assert "Shown" in page
    assert "Hidden" not in page
    assert "Gone" not in page
    assert "secret.person" not in page
    assert str(shown.account.login) not in page
    assert [one.master.name for one in board()] == ["Shown"]


def test_no_cookie_is_set_or_looked_at(in_acme: Broker, client_at: At) -> None:
    client = client_at("acme")
    client.cookies["theme"] = "dark"
    client.cookies["sessionid"] = "whatever"
    for path in (FRAME, SCRIPT):
        response = client.get(path)
        assert not response.cookies
        assert "Cookie" not in response.get("Vary", "")
    assert "data-theme" not in client.get(FRAME).content.decode()
    assert 'data-theme="dark"' in client.get(FRAME + "?theme=dark").content.decode()
    assert "data-theme" not in client.get(FRAME + '?theme="><b>').content.decode()


def test_each_broker_shows_its_own(acme: Broker, globex: Broker, client_at: At) -> None:
    with broker_schema("acme"):
        row(master(person("manager"), "Only at Acme"))
    assert "Only at Acme" in client_at("acme").get(FRAME).content.decode()
    other = client_at("globex").get(FRAME).content.decode()
    assert "Only at Acme" not in other
    assert "No public results yet" in other


def test_the_script_is_small_cacheable_and_new_with_every_publish(
    in_acme: Broker, client_at: At
) -> None:
    client = client_at("acme")
    first = client.get(SCRIPT)
    assert first["Content-Type"].startswith("text/javascript")
    assert len(first.content) < 8 * 1024
    assert "max-age=300" in first["Cache-Control"]
    assert first["Cross-Origin-Resource-Policy"] == "cross-origin"
    again = client.get(SCRIPT, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    save_widget_settings(None, {"row_limit": 3})
    changed = client.get(SCRIPT, headers={"If-None-Match": first["ETag"]})
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_old_figures_are_called_stale_and_small_samples_are_named(
    in_acme: Broker, client_at: At
) -> None:
    manager = person("manager")
    row(master(manager, "A"), as_of=timezone.now() - timedelta(hours=2))
    row(master(manager, "B"), 2, trades=3, profit_factor=None, source="imported", aum_minor=None)
    page = client_at("acme").get(FRAME).content.decode()
    assert "Stale" in page
    assert "Few trades" in page
    assert "Imported statement" in page
    assert "Live, verified" in page


def test_the_broker_can_hide_assets_limit_rows_and_switch_it_off(
    in_acme: Broker, client_at: At
) -> None:
    manager = person("manager")
    for rank in range(1, 5):
        row(master(manager, f"M{rank}"), rank)
    client = client_at("acme")
    assert "1,234,567.00" in client.get(FRAME).content.decode()
    assert client.get(FRAME + "?limit=2").content.decode().count("<polyline") == 2
    assert client.get(FRAME + "?limit=-1").content.decode().count("<polyline") == 4
    save_widget_settings(None, {"show_aum": False, "row_limit": 3})
    page = client.get(FRAME + "?limit=50").content.decode()
    assert page.count("<polyline") == 3
    assert "1,234,567" not in page
    save_widget_settings(None, {"enabled": False})
    page = client.get(FRAME).content.decode()
    assert "not public" in page
    assert "M1" not in page


def test_one_address_is_limited_and_others_are_not(in_acme: Broker, client_at: At) -> None:
    client = client_at("acme")
    statuses = [client.get(SCRIPT).status_code for _ in range(PER_MINUTE + 30)]
    if 429 not in statuses:  # the minute ended in between
        statuses = [client.get(SCRIPT).status_code for _ in range(PER_MINUTE + 30)]
    assert 429 in statuses
    other = client.get(SCRIPT, REMOTE_ADDR="203.0.113.9")
    assert other.status_code == 200
