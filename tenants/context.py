"""What every template knows of its broker."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def brand(request: HttpRequest) -> dict[str, Any]:
    """`broker` and `brand`; both None on the public site."""
    broker = getattr(request, "tenant", None)
    if broker is None or not broker.is_broker:
        return {"broker": None, "brand": None}
    return {"broker": broker, "brand": broker.brand}
