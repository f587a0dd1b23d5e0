"""How full a broker's table pages are written: room for the next version of a row.

A page with room takes an updated row's new version without touching any index (PostgreSQL's HOT
updates); on a full page each index gets an entry more. Cloning a schema does not copy this.
"""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from psycopg import sql

from tenants.door import qualified


def leave_room_for_updates(slug: str) -> None:
    """Apply TABLE_FILLFACTORS to one broker; rows that are there already stay where they are."""
    with connection.cursor() as cursor:
        for table, percent in settings.TABLE_FILLFACTORS.items():
            cursor.execute(
                sql.SQL("ALTER TABLE {} SET (fillfactor = {})").format(
                    qualified(slug, table), sql.Literal(percent)
                )
            )
