"""Where a broker's pages are, for links in documents and mail."""

from __future__ import annotations

from django.conf import settings

from tenants.models import Broker, Domain


def site_of(broker: Broker) -> str:
    """`https://acme.example`; with DEBUG plain http at the web's own port. "" without a domain."""
    domain = Domain.objects.filter(tenant=broker, is_primary=True).first()
    if domain is None:
        return ""
    return f"http://{domain}:{settings.WEB_PORT}" if settings.DEBUG else f"https://{domain}"
