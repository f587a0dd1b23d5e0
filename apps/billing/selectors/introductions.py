"""The tree of introducers, read upwards."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from apps.billing.arrays import array
from apps.core.fees.terms import MAX_IB_LEVELS

_CHAINS = """
WITH RECURSIVE chain(person_id, level, introducer_id) AS (
    SELECT person_id, 1, introducer_id FROM billing_introduction WHERE person_id = ANY(%s::bigint[])
    UNION ALL
    SELECT c.person_id, c.level + 1, i.introducer_id
    FROM chain c JOIN billing_introduction i ON i.person_id = c.introducer_id
    WHERE c.level < %s
)
SELECT person_id, array_agg(introducer_id ORDER BY level) FROM chain GROUP BY person_id
"""


def chains(people: Iterable[int], levels: int = MAX_IB_LEVELS) -> dict[int, tuple[int, ...]]:
    """Introducers of each person (user ids), the nearest first, at most `levels` up."""
    with connection.cursor() as cursor:
        cursor.execute(_CHAINS, [array(set(people)), levels])
        return {person: tuple(above) for person, above in cursor.fetchall()}
