"""A period's documents as one zip file, written while it is read: never whole in memory."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator

from apps.billing.models import Document
from apps.billing.services.documents import canonical, pdf_of
from apps.core.errors import ProrataError
from tenants.door import broker_schema

INDEX = "index.csv"
COLUMNS = (
    "number",
    "kind",
    "owner",
    "currency",
    "total_minor",
    "issued_utc",
    "data_sha256",
    "note",
)


class _Pipe(io.RawIOBase):
    """What zipfile writes into: no seeking back, emptied after each member."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def drain(self) -> bytes:
        parts, self._parts = b"".join(self._parts), []
        return parts


def zip_of(broker: str, document_ids: list[int]) -> Iterator[bytes]:
    """The zip in pieces: each document's PDF and data, then an index with their digests.

    The broker's schema is open only while a document is read: between two pieces the thread may
    serve somebody else. A document that cannot be made is named in the index, not left out.
    """
    pipe = _Pipe()
    rows: list[list[str]] = []
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        for document_id in document_ids:
            with broker_schema(broker):
                document = Document.objects.select_related("owner").get(pk=document_id)
                note = _add(archive, document)
                rows.append(_row(document, note))
            yield pipe.drain()
        out = io.StringIO()
        csv.writer(out).writerows([COLUMNS, *rows])
        archive.writestr(INDEX, "\ufeff" + out.getvalue())
    yield pipe.drain()


def _add(archive: zipfile.ZipFile, document: Document) -> str:
    """Why there is no PDF of it; "" when there is."""
    archive.writestr(f"data/{document.reference}.json", canonical(document.data))
    try:
        pdf = pdf_of(document)
    except ProrataError as error:
        return f"{error.code}: {error.message}"
    archive.writestr(f"{document.reference}.pdf", pdf, zipfile.ZIP_STORED)
    return ""


def _row(document: Document, note: str) -> list[str]:
    return [
        document.reference,
        document.kind,
        document.owner.email,
        document.currency,
        str(document.total_minor),
        document.issued_at.isoformat(timespec="seconds"),
        document.data_sha256,
        note,
    ]
