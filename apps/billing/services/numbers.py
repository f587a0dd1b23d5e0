"""Document numbers: consecutive per legal entity, series and year, whatever runs at once."""

from __future__ import annotations

from django.db import transaction

from apps.billing.models import DocumentCounter


def take_numbers(legal_entity: str, series: str, year: int, count: int) -> range:
    """The next `count` numbers. Holds the counter's lock until the caller's transaction ends, so
    that a rolled-back document gives its number back and none is ever skipped."""
    assert transaction.get_connection().in_atomic_block, "numbers outside a transaction"
    key = {"legal_entity": legal_entity, "series": series, "year": year}
    DocumentCounter.objects.bulk_create([DocumentCounter(**key)], ignore_conflicts=True)
    counter = DocumentCounter.objects.select_for_update().get(**key)
    first = counter.last + 1
    counter.last += count
    counter.save(update_fields=["last"])
    return range(first, first + count)
