"""CSV that a spreadsheet reads as what it says: no cell is taken for a formula."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

from django.http import HttpResponse

from apps.core.money import digits_of, from_minor

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def safe_cell(text: str) -> str:
    """`text`, with an apostrophe before what would start a formula; plain numbers stay numbers."""
    if text.lstrip(" ").startswith(_STARTS) and not _NUMBER.fullmatch(text):
        return "'" + text
    return text


def amount_cell(minor: int, currency: str) -> str:
    """Minor units as a plain decimal: a point, no grouping, the currency's digits."""
    return f"{from_minor(minor, digits_of(currency)):f}"


def csv_response(name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> HttpResponse:
    """`name`.csv, not to be stored. With a byte order mark: spreadsheets take it for Latin else.

    Written whole: a stream would read the database after the request's schema was left.
    """
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe_cell(cell) for cell in row])
    response = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response
