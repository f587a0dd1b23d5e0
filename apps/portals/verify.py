"""Anybody who holds a printed statement may ask whether this broker issued it. No personal data."""

from __future__ import annotations

from http import HTTPStatus

from allauth.core.ratelimit import consume_or_429
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.billing.selectors.finance import was_issued

LIMIT = {"verify_document": "30/m/ip"}


@require_safe
@never_cache
def verify(request: HttpRequest, number: str) -> HttpResponse:
    """GET /verify/FS-2026-000042?digest=SHA256. 404 alike for a wrong number and a wrong digest."""
    refused: HttpResponse | None = consume_or_429(
        request, config=LIMIT, action="verify_document", limit_get=True
    )
    if refused is not None:
        return refused
    digest = request.GET.get("digest", "").strip().lower()[:128]
    issued = was_issued(number, digest)
    status = HTTPStatus.OK if issued else HTTPStatus.NOT_FOUND
    shown = {"number": number[:40], "digest": digest, "issued": issued}
    return render(request, "verify.html", shown, status=status)
