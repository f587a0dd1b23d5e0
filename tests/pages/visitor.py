"""Somebody who opens pages in Chromium, and what the browser and axe say of each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, Response

from tests.permissions.scene import Scene
from tests.permissions.table import ANON

AXE = Path(settings.BASE_DIR) / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
SCREENS = os.environ.get("PRORATA_SCREENS", "")
_AXE_RUN = """(rules) => axe.run(document, {runOnly: rules, resultTypes: ["violations"]})
    .then((found) => found.violations.map((one) =>
        `${one.id}: ${one.nodes.map((node) => node.target.join(" ")).slice(0, 3).join(", ")}`))"""
_WATCH = """
window.refused = [];
addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective));
"""


class Visitor:
    """One browser of one person. `errors` keeps what Chromium complains of."""

    def __init__(self, browser: Browser, scene: Scene, port: int, who: str, **options: Any) -> None:
        self._root = f"http://{scene.slug}.localhost:{port}"
        self._context = browser.new_context(**options)
        self.page: Page = self._context.new_page()
        self.page.add_init_script(_WATCH)
        self.errors: list[str] = []
        self.page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        if who != ANON:
            session = scene.client(who).cookies[settings.SESSION_COOKIE_NAME]
            self._context.add_cookies(
                [{"name": session.key, "value": session.value, "url": self._root}]
            )

    def open(self, path: str) -> Response:
        """The answer to the page itself; what it asks for afterwards has come."""
        answer = self.page.goto(self._root + path, wait_until="load")
        assert answer is not None
        return answer

    def complaints(self) -> list[str]:
        """Errors of scripts and refusals by the policy, then forgotten.

        The live socket is another process: that it is not there is no error of the page.
        """
        refused: list[str] = self.page.evaluate("refused.splice(0)")
        told = [text for text in self.errors if "WebSocket" not in text] + refused
        self.errors.clear()
        return told

    def overflow_px(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA: rule and the first places."""
        if not AXE.exists():
            pytest.skip("the front-end packages are not installed: scripts/test brings them")
        self.page.evaluate(AXE.read_text())
        found: list[str] = self.page.evaluate(_AXE_RUN, RULES)
        return found

    def picture(self, name: str) -> None:
        """Kept only when PRORATA_SCREENS names a folder."""
        if SCREENS:
            Path(SCREENS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{SCREENS}/{name}.png", full_page=True)

    def close(self) -> None:
        self._context.close()
