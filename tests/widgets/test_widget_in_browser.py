"""One script tag in a page of another origin, in Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
from django.core.cache import cache
from django.utils import timezone
from playwright.sync_api import Browser, Frame, Page, expect

from apps.leaderboards.board import save_widget_settings
from apps.leaderboards.models import LeaderboardRow
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import master, person
from tests.widgets.conftest import ForeignSite

pytestmark = pytest.mark.browser


@pytest.fixture(autouse=True, scope="module")
def _rows(own_broker: Broker) -> None:
    with broker_schema(own_broker.slug):
        manager = person("manager")
        for rank, name in enumerate(("Alpha", "<b>Beta</b> & Söhne"), start=1):
            LeaderboardRow.objects.create(
                master=master(manager, name),
                rank=rank,
                source="live" if rank == 1 else "imported",
                gain=0.21 / rank,
                max_drawdown=-0.08,
                profit_factor=1.8,
                win_rate=0.6,
                trades=120,
                aum_minor=98_765_400,
                aum_currency="USD",
                subscribers=42,
                sparkline=[1.0, 1.02, 0.99, 1.21],
                as_of=timezone.now(),
            )


@pytest.fixture
def allowed(own_broker: Broker, site: ForeignSite) -> None:
    with broker_schema(own_broker.slug):
        save_widget_settings(None, {"allowed_origins": site.origin})
    cache.clear()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    yield context.new_page()
    context.close()


def framed(page: Page) -> Frame:
    page.wait_for_selector("iframe")
    frame = page.frames[1]
    frame.wait_for_selector("table")
    return frame


def test_it_shows_on_a_foreign_origin_and_is_as_high_as_its_content(
    page: Page, site: ForeignSite, allowed: None
) -> None:
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: refused.append(str(error)))
    page.goto(site.origin)
    frame = framed(page)
    expect(frame.locator("tbody tr")).to_have_count(2)
    expect(frame.locator("tbody")).to_contain_text("<b>Beta</b> & Söhne")
    expect(frame.locator(".board-asof")).to_contain_text("UTC")
    page.wait_for_function("document.querySelector('iframe').style.height.endsWith('px')")
    inner = frame.evaluate("Math.ceil(document.documentElement.getBoundingClientRect().height)")
    outer = page.evaluate("document.querySelector('iframe').getBoundingClientRect().height")
    assert outer == inner
    assert frame.evaluate("getComputedStyle(document.querySelector('table')).color") != (
        "rgb(255, 0, 0)"  # the host page's style stays outside
    )
    # The host's own inline <style> is refused by its own policy; nothing of ours is.
    assert [text for text in refused if "style" not in text] == []
    assert not page.context.cookies()


def test_inside_there_is_no_way_to_cookies_or_the_page_around(
    page: Page, site: ForeignSite, allowed: None
) -> None:
    page.goto(site.origin)
    frame = framed(page)
    assert frame.evaluate(
        "(() => { try { return document.cookie } catch (e) { return e.name } })()"
    ) == ("SecurityError")
    assert frame.evaluate(
        "(() => { try { return parent.document.title } catch (e) { return e.name } })()"
    ) == ("SecurityError")
    assert frame.evaluate("self.origin") == "null"


def test_a_forged_height_from_another_window_is_ignored(
    page: Page, site: ForeignSite, allowed: None
) -> None:
    page.goto(site.origin)
    framed(page)
    page.wait_for_function("document.querySelector('iframe').style.height.endsWith('px')")
    before = page.evaluate("document.querySelector('iframe').style.height")
    page.evaluate("window.postMessage({type: 'prorata:height', height: 5000}, '*')")
    page.wait_for_timeout(200)
    assert page.evaluate("document.querySelector('iframe').style.height") == before


def test_it_fits_320_pixels_in_both_themes(
    browser: Browser, site: ForeignSite, allowed: None
) -> None:
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        context = browser.new_context(
            viewport={"width": 320, "height": 700},
            color_scheme=scheme,
        )
        page = context.new_page()
        site.tag = site.tag.replace('data-theme="light"', 'data-theme="auto"')
        page.goto(site.origin)
        frame = framed(page)
        assert frame.evaluate("document.documentElement.scrollWidth <= innerWidth")
        background = frame.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (background == "rgb(255, 255, 255)") == (scheme == "light")
        context.close()


def test_a_site_that_is_not_allowed_gets_no_leaderboard(
    page: Page, site: ForeignSite, own_broker: Broker
) -> None:
    with broker_schema(own_broker.slug):
        save_widget_settings(None, {"allowed_origins": "https://elsewhere.example"})
    cache.clear()
    refused: list[str] = []
    page.on("console", lambda m: refused.append(m.text) if m.type == "error" else None)
    page.goto(site.origin)
    page.wait_for_selector("iframe")
    page.wait_for_timeout(500)
    assert any("frame-ancestors" in text for text in refused)
    assert page.frames[1].query_selector("table") is None
