"""Issuing documents: a number, frozen data and its digest; the file is made from the data alone."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from django.db import transaction
from django.utils import timezone

from apps.accounts.models import User
from apps.billing.models import Delivery, Document, DocumentFile, FeeCharge
from apps.billing.pdf import render_statement
from apps.billing.services.copying import copy_models
from apps.billing.services.numbers import take_numbers
from apps.core.errors import CorruptionError

STATEMENT_SERIES = "FS"


@dataclass(frozen=True, slots=True)
class NewStatement:
    charge: FeeCharge
    owner: User
    data: dict[str, Any]  # JSON of strings, integers, lists, objects: no floats


def digest(data: dict[str, Any]) -> str:
    """SHA-256 over the data's JSON, keys sorted, UTF-8, no spaces."""
    return hashlib.sha256(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)).hexdigest()


def issue_statements(
    legal_entity: str, year: int, statements: Sequence[NewStatement], issued_at: datetime
) -> list[Document]:
    """Number and store the statements, and queue each to its owner. Inside a transaction."""
    numbers = take_numbers(legal_entity, STATEMENT_SERIES, year, len(statements))
    documents = copy_models(
        [
            _document(legal_entity, year, number, new, issued_at)
            for number, new in zip(numbers, statements, strict=True)
        ]
    )
    copy_models(
        [
            Delivery(document=document, to=new.owner.email, next_at=issued_at)
            for document, new in zip(documents, statements, strict=True)
        ]
    )
    return documents


def _document(
    legal_entity: str, year: int, number: int, new: NewStatement, issued_at: datetime
) -> Document:
    data = {
        **new.data,
        "number": f"{STATEMENT_SERIES}-{year}-{number:06d}",
        "issued_at": issued_at.isoformat(timespec="seconds"),
    }
    return Document(
        kind=Document.Kind.FEE_STATEMENT,
        legal_entity=legal_entity,
        series=STATEMENT_SERIES,
        year=year,
        number=number,
        owner=new.owner,
        charge=new.charge,
        data=data,
        data_sha256=digest(data),
        issued_at=issued_at,
    )


def pdf_of(document: Document) -> bytes:
    """The document's file: rendered once, then always the same bytes.

    Raises CorruptionError when the stored data or file does not match its digest.
    """
    stored = DocumentFile.objects.filter(document=document).first()
    if stored is None:
        if digest(document.data) != document.data_sha256:
            raise CorruptionError(
                "document_altered", f"{document.reference} does not match its digest."
            )
        stored = _store(document, render_statement(document.data, document.data_sha256))
    pdf = bytes(stored.pdf)
    if hashlib.sha256(pdf).hexdigest() != stored.sha256:
        raise CorruptionError("document_altered", f"The file of {document.reference} was altered.")
    return pdf


def _store(document: Document, pdf: bytes) -> DocumentFile:
    """Two renderings at once: the first one stays."""
    with transaction.atomic():
        DocumentFile.objects.bulk_create(
            [
                DocumentFile(
                    document=document,
                    pdf=pdf,
                    sha256=hashlib.sha256(pdf).hexdigest(),
                    rendered_at=timezone.now(),
                )
            ],
            ignore_conflicts=True,
        )
    return DocumentFile.objects.get(document=document)
