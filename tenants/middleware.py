"""From host to broker, and an id for every request."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django_tenants.middleware.main import TenantMainMiddleware
from django_tenants.utils import get_tenant_domain_model

from tenants.models import Broker

_REQUEST_ID = re.compile(r"[A-Za-z0-9\-]{8,64}")


class BrokerMiddleware(TenantMainMiddleware):
    """`request.tenant` is the broker that owns the host; an unknown host gets 404."""

    def get_tenant(self, domain_model: type, hostname: str) -> Broker:
        domain = (
            get_tenant_domain_model()
            .objects.select_related("tenant", "tenant__brand")
            .get(domain=hostname)
        )
        return domain.tenant


class RequestIdMiddleware:
    """`request.id`: the caller's X-Request-Id when it is sane, else a new one; echoed back."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        request.id = request_id  # type: ignore[attr-defined]
        response = self.get_response(request)
        response["X-Request-Id"] = request_id
        return response
