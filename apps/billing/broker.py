"""The broker whose schema is open."""

from __future__ import annotations

from tenants.door import current_broker
from tenants.models import Broker


def broker_now() -> Broker:
    """The open schema's broker, with its brand. Raises TenantError("no_broker")."""
    broker: Broker = Broker.objects.select_related("brand").get(schema_name=current_broker())
    return broker
