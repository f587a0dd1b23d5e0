"""The table rows of an HTML report, read strictly.

Uses the standard library's tokenizer on purpose: libraries that build a tree (lxml, html5lib)
repair what they read, so a file cut in the middle would look whole. Here an unclosed row, table
or document is an error that names its line.
"""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser

from apps.core.errors import InputError

MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell: its text with runs of white space folded, its span and its `title`."""

    text: str
    span: int = 1
    title: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A table row and the line of the source where it begins (1-based)."""

    line: int
    cells: tuple[Cell, ...]

    @property
    def texts(self) -> list[str]:
        return [cell.text for cell in self.cells]

    @property
    def width(self) -> int:
        """Columns, spans counted."""
        return sum(cell.span for cell in self.cells)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[Row] = []
        self.generator = ""
        self.ended = False
        self._open_tables = 0
        self._row_line = 0
        self._cells: list[Cell] | None = None
        self._cell: dict[str, str] | None = None
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "meta" and values.get("name") == "generator":
            self.generator = values.get("content", "")
        elif tag == "table":
            self._open_tables += 1
        elif tag == "tr":
            self._must(self._cells is None, "a row begins inside another row")
            self._cells, self._row_line = [], self.getpos()[0]
        elif tag == "td":
            self._must(self._cells is not None, "a cell outside a row")
            self._must(self._cell is None, "a cell begins inside another cell")
            self._cell, self._text = values, []

    def handle_endtag(self, tag: str) -> None:
        if tag == "td" and self._cell is not None and self._cells is not None:
            text = " ".join("".join(self._text).split())
            span = self._cell.get("colspan", "1")
            self._must(span.isdigit() and 0 < int(span) < 100, f"colspan {span!r}")
            self._cells.append(Cell(text, int(span), self._cell.get("title", "")))
            self._cell = None
        elif tag == "tr" and self._cells is not None:
            self._must(self._cell is None, "a row ends inside a cell")
            self.rows.append(Row(self._row_line, tuple(self._cells)))
            self._cells = None
        elif tag == "table":
            self._must(self._cells is None, "the table ends inside a row")
            self._open_tables -= 1
        elif tag == "html":
            self.ended = True

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._text.append(data)

    def finish(self) -> None:
        """Raise unless the document, its tables and its rows are all closed."""
        self.close()
        if self._cells is not None or self._open_tables or not self.ended:
            line = self._row_line if self._cells is not None else self.getpos()[0]
            raise InputError(
                "statement_truncated",
                f"The file ends in the middle (line {line}): its table or page is not closed.",
                line=line,
            )

    def _must(self, holds: bool, what: str) -> None:
        if not holds:
            line = self.getpos()[0]
            raise InputError("statement_malformed", f"Line {line}: {what}.", line=line)


def decode(data: bytes) -> str:
    """The text of an HTML file: by byte-order mark, else UTF-8, else windows-1252.

    Raises InputError: statement_too_large, statement_encoding.
    """
    if len(data) > MAX_BYTES:
        raise InputError("statement_too_large", f"The file is over {MAX_BYTES} bytes.")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "windows-1252"]
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise InputError("statement_encoding", "The file is neither UTF-8, UTF-16 nor windows-1252.")


def read_rows(text: str) -> tuple[str, list[Row]]:
    """The generator named in the page's head, and all table rows in order.

    Raises InputError: statement_truncated, statement_malformed.
    """
    reader = _Reader()
    reader.feed(text)
    reader.finish()
    return reader.generator, reader.rows
