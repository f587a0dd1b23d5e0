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
from apps.billing.models import Delivery, Document, DocumentFile, FeeCharge, FeeRun, LegalEntity
from apps.billing.pdf import render_document
from apps.billing.services.copying import copy_models
from apps.billing.services.issuer import issuer_data, legal_entity
from apps.billing.services.numbers import take_numbers
from apps.core.errors import CorruptionError

Kind = Document.Kind
SERIES: dict[str, str] = {
    Kind.FEE_STATEMENT: "FS",
    Kind.REMITTANCE: "RM",
    Kind.INVOICE: "IN",
    Kind.CREDIT_NOTE: "CN",
}


@dataclass(frozen=True, slots=True)
class NewStatement:
    charge: FeeCharge
    owner: User
    data: dict[str, Any]  # JSON of strings, integers, lists, objects: no floats


@dataclass(frozen=True, slots=True)
class NewDocument:
    """What to issue. `data` as of NewStatement; `total_minor` in minor units of its currency."""

    kind: str
    owner: User
    data: dict[str, Any]
    total_minor: int
    charge: FeeCharge | None = None
    run: FeeRun | None = None
    revision: int = 1
    mirrors: Document | None = None


def canonical(data: dict[str, Any]) -> bytes:
    """The bytes that are digested and attached: JSON, keys sorted, UTF-8, no spaces."""
    return orjson.dumps(data, option=orjson.OPT_SORT_KEYS)


def digest(data: dict[str, Any]) -> str:
    """SHA-256 over the data's canonical bytes."""
    return hashlib.sha256(canonical(data)).hexdigest()


def issue_statements(
    legal_name: str, year: int, statements: Sequence[NewStatement], issued_at: datetime
) -> list[Document]:
    """Number and store the statements, and queue each to its owner. Inside a transaction."""
    wanted = [
        NewDocument(
            Kind.FEE_STATEMENT, new.owner, new.data, new.data["total_minor"], charge=new.charge,
            run=new.charge.run,
        )
        for new in statements
    ]  # fmt: skip
    return issue(legal_entity(legal_name), year, wanted, issued_at)


def issue(
    entity: LegalEntity, year: int, wanted: Sequence[NewDocument], issued_at: datetime
) -> list[Document]:
    """Number, freeze and store documents of one kind, and queue each to its owner.

    Inside a transaction: the number's lock is held to its end, and a rollback leaves no gap.
    """
    if not wanted:
        return []
    (kind,) = {new.kind for new in wanted}
    numbers = take_numbers(entity.name, SERIES[kind], year, len(wanted))
    documents = copy_models(
        [
            _document(entity, year, number, new, issued_at)
            for number, new in zip(numbers, wanted, strict=True)
        ]
    )
    copy_models(
        [
            Delivery(document=document, to=new.owner.email, next_at=issued_at)
            for document, new in zip(documents, wanted, strict=True)
        ]
    )
    return documents


def _document(
    entity: LegalEntity, year: int, number: int, new: NewDocument, issued_at: datetime
) -> Document:
    series = SERIES[new.kind]
    data = {
        "issuer": issuer_data(entity),  # a credit note keeps the issuer of what it mirrors
        "archive": entity.archives,
        **new.data,
        "number": f"{series}-{year}-{number:06d}",
        "issued_at": issued_at.isoformat(timespec="seconds"),
    }
    return Document(
        kind=new.kind,
        legal_entity=entity.name,
        series=series,
        year=year,
        number=number,
        owner=new.owner,
        charge=new.charge,
        run=new.run,
        revision=new.revision,
        mirrors=new.mirrors,
        currency=data["currency"],
        total_minor=new.total_minor,
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
        pdf = render_document(document.data, document.data_sha256, canonical(document.data))
        stored = _store(document, pdf)
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
