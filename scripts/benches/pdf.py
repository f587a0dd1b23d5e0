"""Statements as PDF: all that we do (template, data, digest) beside a bare WeasyPrint loop.

The bare loop gets the finished HTML, the same style sheet and the same fonts, read once; nothing of
ours runs in it. One core. `archive` is the same with PDF/A-3b and the data attached.
"""

from __future__ import annotations

import importlib
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.launcher import locales
from scripts.launcher.bootstrap import ROOT
from scripts.launcher.say import say

NEEDS: tuple[str, ...] = ()
ROUNDS = 15
LANGUAGES = ("en", "ar", "zh-hans")


def run(*, quick: bool = False) -> dict[str, float]:
    """Bare ÷ ours (1: we add nothing; ≥ 0.8 is the aim); the times are printed."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DEBUG", "1")
    import django

    django.setup()
    locales.ensure()
    found: dict[str, float] = {}
    for language in LANGUAGES:
        ours_s, archive_s, bare_s = _times(language, 1 if quick else ROUNDS)
        say(
            f"{language}: ours {1 / ours_s:.1f}/s, bare {1 / bare_s:.1f}/s, "
            f"archive {1 / archive_s:.1f}/s"
        )
        name = language.replace("-", "_")
        found[f"pdf_{name}_bare_over_ours"] = round(bare_s / ours_s, 3)
        found[f"pdf_{name}_bare_over_archive"] = round(bare_s / archive_s, 3)
    return found


def _times(language: str, rounds: int) -> tuple[float, float, float]:
    """Median seconds of one statement: ours, ours as an archive, bare; rounds interleaved."""
    from apps.billing.pdf import document_html, render_document
    from apps.billing.services.documents import canonical, digest

    data = _data(language)
    archive = {**data, "archive": True}
    bare = _bare(document_html(data, digest(data)))
    times = _medians(
        rounds,
        lambda: render_document(data, digest(data), canonical(data)),
        lambda: render_document(archive, digest(archive), canonical(archive)),
        bare,
    )
    return times[0], times[1], times[2]


def _medians(rounds: int, *actions: Callable[[], object]) -> list[float]:
    times: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 2):
        for place, action in enumerate(actions):
            started = time.process_time()  # of this core; others may use the machine
            action()
            if number >= 2:  # the first ones load code and fonts
                times[place].append(time.process_time() - started)
    return [statistics.median(values) for values in times]


def _bare(html: str) -> Callable[[], object]:
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class Files(URLFetcher):  # type: ignore[misc]  # the library has no types
        def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
            path = ROOT / "static" / url.removeprefix("asset:///")
            kind = "image/svg+xml" if path.suffix == ".svg" else "application/octet-stream"
            return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": kind})

    fonts, fetcher = FontConfiguration(), Files()
    weasy = importlib.import_module("apps.billing.weasy")
    CSS(string=weasy.font_faces(), url_fetcher=fetcher, font_config=fonts)
    text = Path(ROOT / "static" / weasy.SHEET).read_text()
    sheet = CSS(string=text, url_fetcher=fetcher, font_config=fonts)

    def once() -> object:
        page = HTML(string=html, base_url="asset:///", url_fetcher=fetcher)
        return page.write_pdf(stylesheets=[sheet], font_config=fonts)

    return once


def _data(language: str) -> dict[str, Any]:
    """A statement of an ordinary month: a deposit, a withdrawal, two computations of the fee."""
    from dataclasses import asdict

    from tenants.brand import BrandTokens
    from tenants.demo_brands import DEMO_BRANDS

    brand = asdict(BrandTokens(**DEMO_BRANDS["acme"], version=1))  # type: ignore[arg-type]
    steps = [
        _step("05", "deposit", 1_000_000, 250_000, 0, "1000000", "1250000"),
        _step("15", "crystallised", 1_300_000, 0, 10_000, "1250000", "1290000"),
        _step("15", "withdrawal", 1_290_000, -100_000, 0, "1290000", "1190000"),
        _step("31", "crystallised", 1_273_500, 0, 16_700, "1190000", "1256800"),
    ]
    figures = {
        "opening_minor": 1_000_000, "deposits_minor": 250_000, "withdrawals_minor": -100_000,
        "realised_minor": 123_456, "floating_change_minor": 10_044, "other_minor": 0,
        "equity_minor": 1_283_500, "fee_minor": 26_700,
    }  # fmt: skip
    return {
        "kind": "fee_statement", "language": language, "period": "2026-10", "zone": "UTC",
        "site": "https://mam.acme.example", "brand": brand, "currency": "USD",
        "window_from": "2026-10-01T00:00:00+00:00", "window_to": "2026-11-01T00:00:00+00:00",
        "marked_at": "2026-10-31T23:59:00+00:00", "number": "FS-2026-000042",
        "issued_at": "2026-11-01T00:31:00+00:00", "investor": "Mona Haddad", "account": "100231",
        "server": "sim", "master": "Alpha", "manager": "Jo Smith", "rate": "0.2",
        "hwm_basis": "net", "figures": figures, "hwm_opening": "1000000", "hwm_is_new": True,
        "hwm_after": "1256800", "steps": steps,
        "charges": [{"kind": "performance", "amount_minor": 26_700, "formula": ""}],
        "total_minor": 26_700,
    }  # fmt: skip


def _step(
    day: str, kind: str, equity: int, amount: int, fee: int, before: str, after: str
) -> dict[str, Any]:
    return {
        "at": f"2026-10-{day}T10:00:00+00:00", "kind": kind, "equity_minor": equity,
        "amount_minor": amount, "fee_minor": fee, "before": before, "after": after,
    }  # fmt: skip
