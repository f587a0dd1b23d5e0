"""Every page of the permission table, opened by who may: axe, themes, phone, policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.cache import cache
from playwright.sync_api import Browser

from tests.pages.visitor import DESK, PHONE, Visitor
from tests.permissions import table as t
from tests.permissions.scene import Scene

pytestmark = pytest.mark.browser
READERS = (t.ANON, t.ADMIN, t.MANAGER, t.INVESTOR)
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": DESK, "color_scheme": "light"},
    "dark": {"viewport": DESK, "color_scheme": "dark"},
    "phone": {"viewport": PHONE, "color_scheme": "light", "is_mobile": True, "has_touch": True},
}
NO_PAGES = ("tenants:brand_css", "api:schema", "widgets:loader", "home")
Visit = Callable[..., Visitor]


def pages_of(who: str) -> list[t.Row]:
    """What `who` may open; what is open to all is left to who is not logged in."""
    return [
        row
        for row in t.PAGES
        if row.method == "GET"
        and who in row.who
        and (who == t.ANON or t.ANON not in row.who)
        and row.name not in NO_PAGES
    ]


@pytest.fixture
def visit(browser: Browser, scene: Scene, port: int) -> Iterator[Visit]:
    opened: list[Visitor] = []

    def make(who: str, **options: Any) -> Visitor:
        opened.append(Visitor(browser, scene, port, who, **options))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def is_page(scene: Scene, row: t.Row, who: str) -> bool:
    """Whether the address gives a whole HTML page."""
    answer = scene.client(who).get(scene.path(row))
    kind = answer.headers.get("Content-Type", "")
    return kind.startswith("text/html") and b"<html" in answer.content


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("who", READERS)
def test_a_page_is_clean_in_every_look(visit: Visit, scene: Scene, who: str, look: str) -> None:
    visitor, wrong = visit(who, **LOOKS[look]), {}
    for row in pages_of(who):
        cache.clear()  # limits by address are another test's
        if not is_page(scene, row, who):
            continue
        assert visitor.open(scene.path(row)).status == 200, row.name
        found = [*visitor.complaints(), *visitor.violations()]
        if look == "phone" and visitor.overflow_px() > 0:
            found.append(f"wider than the phone by {visitor.overflow_px()} px")
        visitor.picture(f"{row.name.replace(':', '_')}-{who}-{look}")
        if found:
            wrong[row.name] = found
    assert wrong == {}
