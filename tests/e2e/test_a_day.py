"""A broker's day in Chromium: two brokers side by side, a block, a part of it closed, a kill -9."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import House, Street
from tests.e2e.stack import Visitor, visitor

pytestmark = [pytest.mark.browser, pytest.mark.slow]
TICKETS = "tr[data-ticket]"


@pytest.fixture
def desk(browser: Browser, street: Street) -> Iterator[Visitor]:
    house = street.houses[0]
    with visitor(browser, house.origin) as manager:
        manager.log_in(house.manager, house.password)
        manager.go(f"/desk/{house.master.public_id}/")
        yield manager


@pytest.fixture
def portal(browser: Browser, street: Street) -> Iterator[Visitor]:
    house = street.houses[0]
    with visitor(browser, house.origin) as investor:
        investor.log_in(house.investor, house.password)
        investor.go("/portal/")
        yield investor


def _place(desk: Visitor, symbol: str, lots: str) -> float:
    """Order `lots` at the market; when the button was pressed."""
    expect(desk.page.locator("[data-ticket-price=ask]")).to_have_text(re.compile(r"\d"))
    desk.page.select_option("#ticket select[name=symbol]", symbol)
    desk.page.fill("#ticket input[name=volume_lots]", lots)
    pressed_s = time.monotonic()
    desk.page.click("#ticket-place")
    return pressed_s


def test_an_investor_sees_the_managers_block_without_a_reload(
    desk: Visitor, portal: Visitor, record_property: Callable[[str, object], None]
) -> None:
    portal.mark()
    before = portal.page.locator(TICKETS).count()
    pressed_s = _place(desk, "EURUSD", "2.00")
    expect(portal.page.locator(TICKETS)).to_have_count(before + 1, timeout=20_000)
    record_property("ticket_seen_after_ms", round((time.monotonic() - pressed_s) * 1000))
    row = portal.page.locator(TICKETS).first
    expect(row).to_contain_text("EURUSD")
    expect(row.locator("[data-pnl]")).to_contain_text("USD", timeout=10_000)
    expect(row.locator("[data-pnl]")).to_have_text(re.compile(r"[+−]?\d+\.\d\d"), timeout=10_000)
    assert portal.is_same_page()
    assert desk.complaints == []
    assert portal.complaints == []


def test_a_double_click_places_one_block(desk: Visitor) -> None:
    blocks = desk.page.locator("[data-blocks=open] tr[data-block]")
    expect(desk.page.locator("[data-ticket-price=ask]")).to_have_text(re.compile(r"\d"))
    before = blocks.count()
    desk.page.select_option("#ticket select[name=symbol]", "GBPUSD")
    desk.page.dblclick("#ticket-place")
    expect(blocks).to_have_count(before + 1, timeout=20_000)
    desk.page.wait_for_timeout(1500)
    expect(blocks).to_have_count(before + 1)


def test_the_preview_names_every_account_and_adds_up(desk: Visitor) -> None:
    expect(desk.page.locator("[data-ticket-price=ask]")).to_have_text(re.compile(r"\d"))
    desk.page.fill("#ticket input[name=volume_lots]", "1.00")
    desk.page.click("#ticket-preview")
    dialog = desk.page.locator("#dialogs dialog")
    expect(dialog).to_be_visible(timeout=20_000)
    assert dialog.locator("tbody tr").count() == 3


def test_each_broker_wears_its_own_brand(browser: Browser, street: Street) -> None:
    looks = [_look(browser, house) for house in street.houses]
    (first, first_logo), (second, second_logo) = looks
    assert first != second
    assert "acme" in first_logo
    assert "globex" in second_logo


def _look(browser: Browser, house: House) -> tuple[str, str]:
    with visitor(browser, house.origin) as somebody:
        somebody.go("/accounts/login/")
        color = somebody.page.evaluate(
            "getComputedStyle(document.querySelector('main button[type=submit]')).backgroundColor"
        )
        logo = somebody.page.locator("header img, main img").first.get_attribute("src")
        return str(color), str(logo)


def test_one_brokers_session_is_nobody_at_the_other(browser: Browser, street: Street) -> None:
    one, two = street.houses
    with visitor(browser, one.origin) as somebody:
        somebody.log_in(one.manager, one.password)
        session = next(c for c in somebody.page.context.cookies() if c["name"] == "sessionid")
        with visitor(browser, two.origin) as other:
            other.page.context.add_cookies(
                [{"name": "sessionid", "value": session["value"], "url": two.origin}]
            )
            other.go("/desk/")
            assert "/accounts/login" in other.page.url
            other.go(f"/desk/{one.master.public_id}/")
            assert "/accounts/login" in other.page.url


def test_a_killed_engine_shows_as_stale_and_comes_back_without_a_reload(
    desk: Visitor, street: Street
) -> None:
    pill = desk.page.locator("header [role=status]").first
    expect(pill).to_contain_text("Live", timeout=20_000)
    desk.mark()
    street.processes.kill("engine")
    expect(pill).not_to_contain_text("Live", timeout=20_000)
    street.processes.start_engine()
    expect(pill).to_contain_text("Live", timeout=40_000)
    assert desk.is_same_page()
