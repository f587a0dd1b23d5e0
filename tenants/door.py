"""The only door to a broker's schema.

Nothing else in the project may switch schemas (ruff bans the library's own functions elsewhere),
so that "which broker's rows are these" has one answer per block of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django_tenants.utils import schema_context, tenant_context
from psycopg import sql

from tenants.errors import TenantError
from tenants.models import RESERVED_SLUGS, SLUG, Broker

PUBLIC = "public"
TEMPLATE = "template_broker"


@contextmanager
def broker_schema(slug: str) -> Iterator[Broker]:
    """Run the block inside the broker's schema, whatever schema was current before.

    Raises TenantError("broker_unknown") when no such broker exists.
    """
    with schema_context(PUBLIC):
        broker = (
            Broker.objects.select_related("brand")
            .filter(schema_name=slug)
            .exclude(status__in=[Broker.Status.PLATFORM, Broker.Status.TEMPLATE])
            .first()
        )
    if broker is None:
        raise TenantError("broker_unknown", f"There is no broker {slug!r}.")
    with tenant_context(broker):
        yield broker


@contextmanager
def public_schema() -> Iterator[None]:
    """Run the block in the platform's own schema."""
    with schema_context(PUBLIC):
        yield


def current_broker() -> str:
    """The slug whose schema is open.

    Raises TenantError("no_broker") outside a broker's schema: a task that forgot to name its
    broker must stop here, not read the platform's rows.
    """
    slug = str(connection.schema_name)  # type: ignore[attr-defined]
    if slug in (PUBLIC, TEMPLATE, ""):
        raise TenantError("no_broker", "This must run inside a broker's schema.")
    return slug


def all_brokers() -> list[str]:
    """Slugs of all brokers, suspended ones too, in order of creation."""
    with schema_context(PUBLIC):
        return list(
            Broker.objects.exclude(status__in=[Broker.Status.PLATFORM, Broker.Status.TEMPLATE])
            .order_by("id")
            .values_list("schema_name", flat=True)
        )


def check_slug(slug: str) -> str:
    """The slug itself, or TenantError("slug_invalid") with the rule it breaks."""
    if not SLUG.fullmatch(slug) or slug in RESERVED_SLUGS or slug.startswith("pg"):
        raise TenantError(
            "slug_invalid",
            f"{slug!r}: 2–30 lower-case letters and digits, a letter first, not a reserved word.",
        )
    return slug


def qualified(slug: str, table: str) -> sql.Identifier:
    """`"slug"."table"` for SQL on a connection of one's own (the engine's hot path)."""
    return sql.Identifier(check_slug(slug), table)
