"""WeasyPrint, fenced in: it reads our static files and nothing else.

Loaded on first use (apps.billing.pdf): its system libraries may be absent, and pages must live.
One font configuration serves the whole process: making one reads every font anew. Pango is not
safe to share between threads, so one document is laid out at a time (it is Python all the way: the
interpreter would take turns anyhow).
"""

from __future__ import annotations

import functools
import mimetypes
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.contrib.staticfiles import finders
from weasyprint import CSS, HTML, Attachment
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import URLFetcher, URLFetcherResponse

ASSETS = "asset:///"
ARCHIVE = "pdf/a-3b"
SHEET = "css/document.css"
# Families of our own names, so that the machine's fonts of the same design never mix in; their
# files come with the front-end packages (scripts/launcher/frontend.py).
FAMILIES = {
    "Document Sans": "vendor/fonts/sans-{weight}.ttf",
    "Document Arabic": "vendor/fonts/arabic-{weight}.ttf",
    "Document Chinese": "vendor/fonts/chinese-{weight}.ttf",
}
WEIGHTS = (400, 700)
_turn = threading.Lock()


class ForbiddenUrlError(ValueError):
    """A document asked for something that is not one of our own static files: it is left out."""


class AssetFetcher(URLFetcher):  # type: ignore[misc]  # the library has no types
    """Reads asset:///PATH from the static files; refuses every other address."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        parts = urlsplit(url)
        path = unquote(parts.path).lstrip("/")
        if parts.scheme != "asset" or parts.netloc or ".." in Path(path).parts:
            raise ForbiddenUrlError(f"not one of our assets: {url[:80]}")
        found = finders.find(path)
        if not isinstance(found, str):
            raise ForbiddenUrlError(f"no such asset: {path[:80]}")
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        return URLFetcherResponse(url, Path(found).read_bytes(), {"Content-Type": kind})


def to_pdf(html: str, archive: tuple[str, bytes] | None = None) -> bytes:
    """`archive`: name and bytes of the data to attach; the file is then PDF/A-3b."""
    with _turn:
        fonts, sheets = _prepared()
        page = HTML(string=html, base_url=ASSETS, url_fetcher=AssetFetcher())
        options = _archive_options(*archive) if archive else {}
        pdf: bytes = page.write_pdf(stylesheets=sheets, font_config=fonts, **options)
    return pdf


def _archive_options(name: str, data: bytes) -> dict[str, object]:
    attachment = Attachment(
        string=data, name=name, description="The data this document is made from",
        relationship="Data",
    )  # fmt: skip
    return {"pdf_variant": ARCHIVE, "attachments": [attachment]}


@functools.cache
def _prepared() -> tuple[FontConfiguration, list[CSS]]:
    """Fonts and style sheet, read once."""
    fonts = FontConfiguration()
    fetcher = AssetFetcher()
    CSS(string=font_faces(), url_fetcher=fetcher, base_url=ASSETS, font_config=fonts)
    found = finders.find(SHEET)
    text = Path(str(found)).read_text()
    return fonts, [CSS(string=text, url_fetcher=fetcher, base_url=ASSETS, font_config=fonts)]


def font_faces() -> str:
    """@font-face rules of the packaged fonts that are there; without them the system's serve."""
    return "\n".join(
        f'@font-face {{ font-family: "{family}"; font-weight: {weight}; '
        f'src: url("{ASSETS}{path}"); }}'
        for family, pattern in FAMILIES.items()
        for weight in WEIGHTS
        for path in [pattern.format(weight=weight)]
        if finders.find(path)
    )
