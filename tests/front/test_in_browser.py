"""The pages in Chromium: no error under the policy, no overflow on a phone, usable by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser, Page, expect

from tenants.demo_brands import DEMO_BRANDS
from tenants.door import broker_schema
from tenants.models import Broker
from tests.factories import person
from tests.front.people import EMAIL, PASSWORD

pytestmark = pytest.mark.browser
PUBLIC = ["/", "/product/allocation", "/product/proof", "/status", "/login", "/demo"]
BROKER = ["/_design/", "/_design/?dir=rtl", "/accounts/login/", "/accounts/password/reset/"]
INSIDE = ["/accounts/password/change/", "/accounts/2fa/", "/accounts/logout/"]
PHONE = {"width": 390, "height": 844}
# What the browser refuses is reported here before any script of the page runs.
WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective));
"""


@pytest.fixture(autouse=True, scope="module")
def _people(own_broker: Broker) -> None:
    brand = own_broker.brand
    for name, value in DEMO_BRANDS["globex"].items():
        setattr(brand, name, value)
    brand.save()
    with broker_schema(own_broker.slug):
        person("manager", email=EMAIL, password=PASSWORD)
    cache.clear()


class Visit:
    """A page in a context of its own; whatever Chromium complains of is kept in `errors`."""

    def __init__(self, browser: Browser, slug: str, port: int, **options: Any) -> None:
        self.page = browser.new_context(**options).new_page()
        self.errors: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(WATCH)
        self.slug, self.port = slug, port

    def go(self, path: str) -> Page:
        """A path of the broker, or of the public site when it is one of its pages."""
        host = "localhost" if path in PUBLIC else f"{self.slug}.localhost"
        self.page.goto(f"http://{host}:{self.port}{path}")
        return self.page

    def complaints(self) -> list[str]:
        """Errors and refusals of the present page, then forgotten."""
        refused: list[str] = self.page.evaluate("refused.splice(0)")
        told, self.errors[:] = [*self.errors, *refused], []
        return told

    def overflow_px(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


Open = Callable[..., Visit]


@pytest.fixture
def visit(browser: Browser, own_broker: Broker, port: int) -> Iterator[Open]:
    """`visit(**context options)`: it must have nothing left to complain of at the end."""
    opened: list[Visit] = []

    def make(**options: Any) -> Visit:
        opened.append(Visit(browser, own_broker.slug, port, **options))
        return opened[-1]

    yield make
    for each in opened:
        assert each.complaints() == [], each.page.url
        each.page.context.close()


@pytest.mark.parametrize(
    "options", [{"viewport": PHONE}, {"color_scheme": "dark"}], ids=["phone", "dark"]
)
def test_nothing_is_refused_and_nothing_overflows(visit: Open, options: dict[str, Any]) -> None:
    one = visit(**options)
    for path in BROKER + PUBLIC:
        one.go(path)
        assert one.complaints() == [], path
        assert one.overflow_px() <= 0, path


def test_the_watch_sees_a_refusal(visit: Open) -> None:
    one = visit()
    page = one.go("/accounts/login/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<b style=color:red></b>')")
    assert "style-src-attr" in one.complaints()


def test_one_logs_in_and_out_by_keyboard_alone(visit: Open) -> None:
    page = visit().go("/accounts/login/?next=/accounts/2fa/")
    page.locator("[name=login]").focus()
    page.keyboard.type(EMAIL)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Two-factor authentication")
    menu = page.locator("summary")
    menu.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Log out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Log out")).to_be_hidden()
    expect(menu).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Log out").press("Enter")
    page.wait_for_url("**/accounts/login/")


def test_the_pages_inside_open_clean(visit: Open) -> None:
    one = visit(viewport=PHONE)
    page = one.go(f"/accounts/login/?next={INSIDE[0]}")
    page.fill("[name=login]", EMAIL)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"**{INSIDE[0]}")
    for path in INSIDE:
        one.go(path)
        assert one.complaints() == [], path
        assert one.overflow_px() <= 0, path


def test_the_theme_changes_without_a_trip_and_stays(visit: Open) -> None:
    page = visit(color_scheme="light").go("/accounts/login/")
    page.fill("[name=login]", "kept while the theme changes")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate(ground) != light
    assert page.input_value("[name=login]") == "kept while the theme changes"
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_brand_paints_the_page(visit: Open) -> None:
    page = visit(color_scheme="light").go("/accounts/login/")
    button = page.get_by_role("button", name="Log in")
    expect(button).to_have_css("background-color", "rgb(91, 42, 157)")
    expect(button).to_have_css("border-radius", "12px")


def test_components_answer_the_keyboard(visit: Open) -> None:
    page = visit().go("/_design/")
    opener = page.get_by_role("button", name="Close a block")
    opener.press("Enter")
    expect(page.get_by_role("dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(opener).to_be_focused()
    tickets, toggle = page.locator("#tickets-EURUSD"), page.get_by_role("button", name="EURUSD")
    expect(tickets).to_be_hidden()
    toggle.first.press("Enter")
    expect(tickets).to_be_visible()
    expect(toggle.first).to_have_attribute("aria-expanded", "true")
    page.get_by_role("tab", name="Tickets").press("ArrowRight")
    expect(page.get_by_role("tab", name="History")).to_be_focused()
    expect(page.get_by_text("Closed tickets.")).to_be_visible()


def test_silence_becomes_stale_without_any_message(visit: Open) -> None:
    one = visit()
    one.page.clock.install()
    page = one.go("/_design/")
    pill = page.locator(".topbar [data-fresh]")
    expect(pill).to_have_attribute("data-state", "live")
    page.clock.run_for(7_000)
    expect(pill).to_have_attribute("data-state", "stale")
    expect(pill).to_contain_text("Stale")
