"""Tables to download, CSV or workbook, that a spreadsheet reads as what they say: no cell is taken
for a formula."""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Iterable, Sequence

import xlsxwriter
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase

from apps.core.money import digits_of, from_minor

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_EXACT_DIGITS = 15  # what a workbook's numbers hold without rounding
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
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


def table_response(
    request: HttpRequest, name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> HttpResponseBase:
    """`name`.xlsx when the address says `as=xlsx`, else `name`.csv."""
    if request.GET.get("as") == "xlsx":
        return xlsx_response(name, columns, rows)
    return csv_response(name, columns, rows)


def xlsx_response(
    name: str, columns: Sequence[str], rows: Iterable[Sequence[str]]
) -> HttpResponseBase:
    """One sheet with its header frozen. Text is written as text whatever it begins with; plain
    numbers are numbers where a workbook can hold them exactly."""
    file = tempfile.SpooledTemporaryFile(max_size=8 << 20)  # noqa: SIM115 - the response closes it
    book = xlsxwriter.Workbook(file, {"constant_memory": True})
    sheet = book.add_worksheet()
    sheet.freeze_panes(1, 0)
    bold = book.add_format({"bold": True})
    for column, title in enumerate(columns):
        sheet.write_string(0, column, title, bold)
    for number, row in enumerate(rows, start=1):
        for column, cell in enumerate(row):
            if is_number(cell):
                sheet.write_number(number, column, float(cell))
            else:
                sheet.write_string(number, column, cell)
    book.close()
    file.seek(0)
    response = FileResponse(file, as_attachment=True, filename=f"{name}.xlsx", content_type=_XLSX)
    response["Cache-Control"] = "private, no-store"
    return response


def is_number(cell: str) -> bool:
    """A plain decimal that a double holds exactly to its last digit; "007" is text."""
    digits = cell.lstrip("-").replace(".", "")
    padded = len(digits) > 1 and cell.lstrip("-").startswith("0") and "." not in cell
    return bool(_NUMBER.fullmatch(cell)) and len(digits) <= _EXACT_DIGITS and not padded
