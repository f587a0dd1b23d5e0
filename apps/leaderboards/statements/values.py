"""Numbers and times as MetaTrader prints them."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal

from apps.core.errors import InputError
from apps.leaderboards.statements.rows import Row

_NUMBER = re.compile(r"-?\d{1,3}(?: \d{3})*(?:\.\d+)?|-?\d+(?:\.\d+)?")
_ROW_TIMES = ("%Y.%m.%d %H:%M:%S", "%Y.%m.%d %H:%M")


def number(text: str, row: Row, what: str) -> Decimal:
    """`1 088.72` or `-7.20`. Raises InputError("statement_number") naming row and column."""
    plain = text.replace("\N{NO-BREAK SPACE}", " ")
    if not _NUMBER.fullmatch(plain):
        raise InputError(
            "statement_number",
            f"{where(row)}: {what} is {text!r}, not a number.",
            line=row.line,
            column=what,
            value=text,
        )
    return Decimal(plain.replace(" ", ""))


def positive(text: str, row: Row, what: str) -> Decimal:
    """A number above zero."""
    value = number(text, row, what)
    if value <= 0:
        raise InputError(
            "statement_number",
            f"{where(row)}: {what} is {text!r}, must be above zero.",
            line=row.line,
            column=what,
            value=text,
        )
    return value


def moment(text: str, row: Row, what: str) -> datetime:
    """`2018.05.14 20:45:48`. Raises InputError("statement_time") naming row and column."""
    for form in _ROW_TIMES:
        try:
            return datetime.strptime(text, form)
        except ValueError:
            continue
    raise InputError(
        "statement_time",
        f"{where(row)}: {what} is {text!r}, not a time like 2018.05.14 20:45:48.",
        line=row.line,
        column=what,
        value=text,
    )


def whole(text: str, row: Row, what: str) -> int:
    """A whole number without sign."""
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InputError(
            "statement_number",
            f"{where(row)}: {what} is {text!r}, not a whole number.",
            line=row.line,
            column=what,
            value=text,
        )
    return int(text)


def where(row: Row) -> str:
    """`Line 61 (ticket 21305183)`."""
    first = row.cells[0].text if row.cells else ""
    return f"Line {row.line} (ticket {first})" if first.isdigit() else f"Line {row.line}"
