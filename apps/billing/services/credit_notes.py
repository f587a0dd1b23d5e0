"""Credit notes: a document is reversed by its mirror, whole and once; nothing is ever edited."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.accounts.audit import audit
from apps.accounts.models import Link, User
from apps.billing.models import Document, FeeCharge, FeeRun
from apps.billing.services.documents import NewDocument, issue
from apps.billing.services.issuer import legal_entity
from apps.core.errors import ConflictError
from tenants.models import Broker

# What on a document turns its sign; everything else is repeated word for word.
_TURNED = frozenset(
    {"amount_minor", "fee_minor", "total_minor", "net_minor", "tax_minor"}
)  # fmt: skip


def mirrored(data: dict[str, Any]) -> dict[str, Any]:
    """The lines and sums of `data` with the opposite sign, for a credit note."""
    return {
        **data,
        "kind": "credit_note",
        "mirrored_kind": data["kind"],
        "mirrored_number": data["number"],
        "lines": [_turned(line) for line in data.get("lines") or data.get("charges", [])],
        "tax": _turned(data["tax"]) if data.get("tax") else None,
        "total_minor": -data["total_minor"],
    }


def _turned(line: dict[str, Any]) -> dict[str, Any]:
    return {name: -value if name in _TURNED else value for name, value in line.items()}


def credit(
    actor: User | None,
    document: Document,
    broker: Broker,
    reason: str,
    now: datetime,
    *,
    request_id: str = "",
) -> Document:
    """Issue the credit note of a document, in the caller's transaction.

    Raises ConflictError: already_credited; not_creditable for a credit note itself.
    """
    assert transaction.get_connection().in_atomic_block, "credit() outside a transaction"
    if document.kind == Document.Kind.CREDIT_NOTE:
        raise ConflictError("not_creditable", "A credit note is not reversed: issue anew.")
    data = {**mirrored(document.data), "reason": reason}
    entity = legal_entity(broker.legal_name)
    entity.name = document.legal_entity  # it was issued by this one, whatever the name is today
    new = NewDocument(
        Document.Kind.CREDIT_NOTE,
        document.owner,
        data,
        -document.total_minor,
        run=document.run,
        mirrors=document,
    )
    year = now.astimezone(ZoneInfo(broker.time_zone)).year
    try:
        with transaction.atomic():
            (note,) = issue(entity, year, [new], now)
    except IntegrityError as error:
        raise ConflictError(
            "already_credited", f"{document.reference} was reversed before."
        ) from error
    audit(
        actor,
        "document.credit",
        f"document:{document.public_id}",
        after={"credit_note": note.reference, "reason": reason},
        request_id=request_id,
    )
    return note


def credit_settlement(
    actor: User | None,
    run: FeeRun,
    link: Link,
    broker: Broker,
    reason: str,
    now: datetime,
    *,
    request_id: str = "",
) -> list[Document]:
    """Mirror every standing document that a link's charges of a run are on: its statement, and the
    run's summaries that list them. In the transaction that reverses the charges."""
    held = Document.objects.filter(run=run, credit_note=None).exclude(
        kind=Document.Kind.CREDIT_NOTE
    )
    listed = Q(pk__in=[])
    for public_id in FeeCharge.objects.filter(run=run, link=link).values_list(
        "public_id", flat=True
    ):
        listed |= Q(data__lines__contains=[{"charge": str(public_id)}])
    found = held.filter(Q(charge__link=link) | listed).order_by("id")
    return [
        credit(actor, document, broker, reason, now, request_id=request_id)
        for document in found
    ]  # fmt: skip
