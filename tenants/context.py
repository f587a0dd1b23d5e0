"""What every template may read: brand, broker, theme, and where the live sockets are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from tenants.brand import PLATFORM, BrandTokens, tokens_of
from tenants.theme import theme_of


def broker_of(request: HttpRequest) -> Any:
    """The broker of the request's host; None on the public site."""
    tenant = getattr(request, "tenant", None)
    return tenant if tenant is not None and tenant.is_broker else None


def _unbranded(request: HttpRequest) -> BrandTokens:
    """For a host that is nobody's: it may be a broker's whose domain is not set up yet."""
    name = request.get_host().partition(":")[0]
    return replace(
        PLATFORM, display_name=name, legal_name="", logo_light="", logo_dark="", logo_square="",
        favicon="",
    )  # fmt: skip


def tokens_for(request: HttpRequest) -> BrandTokens:
    """The brand of the request's host, read once per request."""
    cached = getattr(request, "_brand_tokens", None)
    if cached is None:
        broker = broker_of(request)
        if broker is not None:
            cached = tokens_of(broker)
        else:
            cached = PLATFORM if hasattr(request, "tenant") else _unbranded(request)
        request._brand_tokens = cached  # type: ignore[attr-defined]
    return cached


def brand(request: HttpRequest) -> dict[str, Any]:
    """Context processor: brand (BrandTokens), broker (or None), theme, live_port (or '')."""
    return {
        "brand": tokens_for(request),
        "broker": broker_of(request),
        "theme": theme_of(request),
        "live_port": settings.LIVE_PORT or "",
    }
