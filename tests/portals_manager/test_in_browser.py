"""The terminal in Chromium, on a running simulator, engine, live server and pages."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from playwright.sync_api import Browser, BrowserContext, Page, expect

from apps.accounts.models import Master, Role, TradingAccount, User
from apps.allocation.models import Block
from tenants.door import broker_schema
from tests.engine.conftest import desk, simulator
from tests.engine.desk import Desk, wait_for
from tests.factories import person
from tests.front.conftest import browser, port
from tests.live.conftest import session_of
from tests.live.server import LiveThread

pytestmark = pytest.mark.browser
__all__ = ["browser", "desk", "port", "simulator"]  # fixtures of other rooms
WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective));
"""


@pytest.fixture(scope="module")
def live() -> Iterator[int]:
    with override_settings(DEBUG=True), LiveThread() as server:
        before, settings.LIVE_PORT = settings.LIVE_PORT, server.port
        policy = json.dumps(settings.CONTENT_SECURITY_POLICY)
        policy = policy.replace(f"ws://*:{before}", f"ws://*:{server.port}")
        with override_settings(CONTENT_SECURITY_POLICY=json.loads(policy)):
            yield server.port
        settings.LIVE_PORT = before


@pytest.fixture(scope="module")
def people(desk: Desk) -> dict[str, User]:
    """The book's manager, and an investor who owns its largest account."""
    with broker_schema(desk.broker):
        manager = Master.objects.get(public_id=desk.stage.book_id).manager
        investor = person(Role.INVESTOR)
        TradingAccount.objects.filter(pk=desk.stage.account_ids[0]).update(owner=investor)
        return {"manager": manager, "investor": investor}


@pytest.fixture(scope="module")
def chromium(people: dict[str, User], port: int, live: int, browser: Browser) -> Browser:
    """The browser last: once it runs, nothing else in this thread may start an event loop."""
    return browser


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    made = chromium.new_context(viewport={"width": 1440, "height": 960})
    made.add_init_script(WATCH)
    yield made
    made.close()


@contextmanager
def looking(desk: Desk) -> Iterator[None]:
    """The broker's schema, on a connection that does not outlive the look: sync Playwright runs
    tests in a context of its own, whose connections nobody else would close."""
    with broker_schema(desk.broker):
        yield
    connection.close()


def enter(context: BrowserContext, desk: Desk, user: User, port: int) -> Page:
    """A page in which `user` is logged in."""
    with looking(desk):
        session = session_of(user)
    host = f"{desk.broker}.localhost"
    context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "domain": host, "path": "/"}]
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    return page


def terminal(context: BrowserContext, desk: Desk, people: dict[str, User], port: int) -> Page:
    page = enter(context, desk, people["manager"], port)
    page.goto(f"http://{desk.broker}.localhost:{port}/desk/{desk.stage.book_id}/")
    expect(page.locator('[data-fresh="book"]')).to_have_attribute("data-state", "live")
    expect(page.locator('[data-quote="EURUSD"] [data-bid]')).to_have_text(re.compile(r"^\d"))
    return page


def blocks_of(desk: Desk) -> int:
    with looking(desk):
        return Block.objects.filter(book_id=desk.stage.book_id).count()


def test_by_keyboard_alone_a_block_is_previewed_and_placed_and_its_row_appears(
    context: BrowserContext, desk: Desk, people: dict[str, User], port: int, live: int
) -> None:
    page = terminal(context, desk, people, port)
    page.locator('[data-pick="EURUSD"]').focus()
    page.keyboard.press("Enter")
    page.keyboard.press("F9")
    page.keyboard.type("2.00")
    page.keyboard.press("Enter")  # the preview, not the order
    preview = page.locator("dialog#preview")
    expect(preview).to_be_visible()
    expect(preview.locator("tbody tr")).to_have_count(10)
    shown = [float(t.split()[0]) for t in preview.locator("td.strong").all_inner_texts()]
    assert round(sum(shown), 2) == 2.00
    assert blocks_of(desk) == 0
    time.sleep(0.5)
    page.keyboard.press("Enter")  # the focused button places
    row = page.locator("#blocks-open tr[data-block]").first
    expect(row).to_contain_text("EURUSD", timeout=5_000)
    expect(row).to_contain_text("2.00")
    expect(row.locator('[data-live="b:floating"]')).to_contain_text(re.compile(r"\d\.\d\d"))
    assert blocks_of(desk) == 1
    assert page.evaluate("refused") == []


def test_a_double_click_on_place_makes_one_block(
    context: BrowserContext, desk: Desk, people: dict[str, User], port: int, live: int
) -> None:
    page = terminal(context, desk, people, port)
    before = blocks_of(desk)
    page.locator("#ticket-place").dblclick()
    expect(page.locator("#ticket")).to_contain_text("Block sent")
    wait_for(lambda: blocks_of(desk) > before)
    time.sleep(0.5)
    assert blocks_of(desk) == before + 1


def test_part_of_a_block_is_closed_after_the_dialog_said_how_much(
    context: BrowserContext, desk: Desk, people: dict[str, User], port: int, live: int
) -> None:
    page = terminal(context, desk, people, port)
    row = page.locator("#blocks-open tr[data-block]", has_text="2.00").first
    row.locator(".tree-toggle").click()
    tickets = page.locator("#blocks-open .tickets tbody tr")
    expect(tickets).to_have_count(10)
    row.get_by_role("button", name="Close").click()
    dialog = page.locator("dialog#close-dialog")
    dialog.locator("[data-part='50']").click()
    button = dialog.locator("[data-close-submit]")
    expect(button).to_have_text(re.compile(r"Close 1\.00 lots \(≈ [+−]?[\d,]+\.\d\d USD\)"))
    button.click()
    expect(dialog).to_be_hidden()
    expect(row.locator('td[data-label="Open"]')).to_have_text(re.compile(r"1\.00"))
    expect(tickets).to_have_count(10)  # the opened row stayed open
    assert page.evaluate("refused") == []


def test_figures_go_on_by_themselves_and_a_wrong_volume_is_said_at_its_field(
    context: BrowserContext, desk: Desk, people: dict[str, User], port: int, live: int
) -> None:
    page = terminal(context, desk, people, port)
    page.locator("#tab-accounts").click()
    equity = page.locator('tr[data-account] [data-live="a:equity"] [data-figure]').first
    first = equity.inner_text()
    expect(equity).not_to_have_text(first, timeout=10_000)
    page.keyboard.press("F9")
    page.keyboard.type("0.015")
    page.keyboard.press("Enter")
    expect(page.locator("#id_volume_lots_error")).to_contain_text("not a multiple")
    expect(page.locator('[data-error-code="volume_off_step"]')).to_be_visible()


def test_the_investors_page_changes_without_reload_when_the_manager_trades(
    context: BrowserContext,
    desk: Desk,
    people: dict[str, User],
    port: int,
    live: int,
) -> None:
    """Over the investor's own socket: the state has the ticket within a second of the click."""
    manager = terminal(context, desk, people, port)
    assert context.browser is not None
    other = context.browser.new_context()
    try:
        page = enter(other, desk, people["investor"], port)
        page.goto(f"http://{desk.broker}.localhost:{port}/portal/")
        tickets = "() => Object.keys(window.state?.tickets ?? {}).length"
        page.evaluate(LISTEN, f"ws://{desk.broker}.localhost:{live}/ws/portfolio")
        wait_for(lambda: page.evaluate("() => window.state !== undefined"))
        before = page.evaluate(tickets)
        clicked_s = time.monotonic()
        manager.locator("#ticket-place").click()
        wait_for(lambda: page.evaluate(tickets) > before)
        took_s = time.monotonic() - clicked_s
        figures: dict[str, Any] = page.evaluate("() => window.state.accounts")
        assert len(figures) == 1
        assert took_s < 5, took_s  # the promise is one second; a loaded test machine gets more
    finally:
        other.close()


LISTEN = """
async (url) => {
  const { connectState } = await import("/static/js/live-state.js");
  connectState({ url, onChange: (state) => { window.state = state; }, onState: () => {} });
}
"""
