"""What a broker's standing with the platform forbids. Closing is never forbidden.

The standing is the broker's `status`, read with the broker at each request: asking costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from django.db import connection
from django.utils.translation import gettext as _

from tenants.models import Broker


class Capability(StrEnum):
    """What is asked for. Reading, closing, cancelling and detaching are nobody's to refuse."""

    OPEN = "open"  # new blocks
    GROW = "grow"  # new masters, links, keys
    PUBLISH = "publish"  # widgets on the broker's website


_FORBIDDEN: Mapping[str, frozenset[Capability]] = {
    Broker.Status.READ_ONLY: frozenset({Capability.OPEN, Capability.GROW}),
    Broker.Status.SUSPENDED: frozenset(Capability),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """`code` is stable: subscription_read_only or subscription_suspended."""

    code: str
    message: str


def refusal(capability: Capability) -> Refusal | None:
    """Why the open schema's broker may not; None when it may."""
    status = _status()
    if capability not in _FORBIDDEN.get(status, frozenset()):
        return None
    text = (
        _("This broker's access is suspended; open positions can be closed.")
        if status == Broker.Status.SUSPENDED
        else _("This broker's access is read only; open positions can be closed.")
    )
    return Refusal(f"subscription_{status}", text)


def _status() -> str:
    """The status of the request's broker, or of the schema that was opened by its name."""
    tenant = connection.tenant  # type: ignore[attr-defined]
    if isinstance(tenant, Broker):
        return str(tenant.status)
    slug = connection.schema_name  # type: ignore[attr-defined]
    found = Broker.objects.filter(schema_name=slug).values_list("status", flat=True).first()
    return str(found or "")
