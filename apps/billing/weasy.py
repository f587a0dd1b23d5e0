"""WeasyPrint, fenced in: it reads our static files and nothing else.

Loaded on first use (apps.billing.pdf): its system libraries may be absent, and pages must live.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path
from urllib.parse import unquote, urlsplit

from django.contrib.staticfiles import finders
from weasyprint import HTML
from weasyprint.urls import URLFetcher, URLFetcherResponse

ASSETS = "asset:///"


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


def to_pdf(html: str) -> bytes:
    pdf: bytes = HTML(string=html, base_url=ASSETS, url_fetcher=AssetFetcher()).write_pdf()
    return pdf
