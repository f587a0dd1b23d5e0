"""The legal entity that issues a broker's documents: its settings, and what a document freezes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from django.db import transaction
from django.forms.models import model_to_dict

from apps.accounts.audit import audit
from apps.accounts.models import User
from apps.billing.models import LegalEntity
from apps.core.errors import InputError
from apps.core.ints import half_up

FIELDS = (
    "name", "address", "registration_no", "tax_id", "tax", "tax_name", "tax_rate",
    "exemption_text", "issues_invoices", "archives",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tax:
    """How a total divides. `net_minor` + `tax_minor` = the total: tax is included, never added,
    because what the investor pays is the fee that was charged."""

    name: str
    rate: str
    net_minor: int
    tax_minor: int
    note: str


def legal_entity(legal_name: str) -> LegalEntity:
    """The broker's settings; a bare entity of `legal_name` (not saved) when there are none."""
    return LegalEntity.objects.order_by("pk").first() or LegalEntity(name=legal_name)


def issuer_data(entity: LegalEntity) -> dict[str, Any]:
    """Who issues, as printed."""
    return {
        "name": entity.name,
        "address": entity.address,
        "registration_no": entity.registration_no,
        "tax_id": entity.tax_id,
        "tax_name": entity.tax_name,
    }


def tax_of(entity: LegalEntity, total_minor: int) -> dict[str, Any] | None:
    """The tax part of an invoice of `total_minor`, frozen; None when the entity shows no tax.

    tax = total × rate ÷ (1 + rate), half up.
    """
    if entity.tax == LegalEntity.Tax.NONE:
        return None
    if entity.tax == LegalEntity.Tax.EXEMPT:
        tax = Tax(entity.tax_name, "0", total_minor, 0, entity.exemption_text)
    else:
        rate = Decimal(entity.tax_rate)
        part = half_up(total_minor * Fraction(rate) / (1 + Fraction(rate)))
        tax = Tax(entity.tax_name, f"{rate.normalize():f}", total_minor - part, part, "")
    return asdict(tax)


def set_legal_entity(actor: User, wanted: LegalEntity, *, request_id: str = "") -> LegalEntity:
    """Save the settings; documents issued from now on say them, earlier ones stay as they are.

    Raises InputError: tax_rate_missing, tax_id_missing, exemption_text_missing.
    """
    _check(wanted)
    with transaction.atomic():
        row = LegalEntity.objects.select_for_update().order_by("pk").first() or LegalEntity()
        before = _plain(row) if row.pk else None
        for name in FIELDS:
            setattr(row, name, getattr(wanted, name))
        row.save()
        audit(
            actor, "legal_entity.set", f"legal_entity:{row.pk}", before=before, after=_plain(row),
            request_id=request_id,
        )  # fmt: skip
    return row


def _check(entity: LegalEntity) -> None:
    kinds = LegalEntity.Tax
    if entity.tax == kinds.INCLUDED and not 0 < entity.tax_rate < 1:
        raise InputError("tax_rate_missing", "A tax that is included has a rate above 0 %.")
    if entity.tax == kinds.INCLUDED and not entity.tax_id:
        raise InputError("tax_id_missing", "A tax invoice shows the issuer's tax number.")
    if entity.tax == kinds.EXEMPT and not entity.exemption_text:
        raise InputError("exemption_text_missing", "An exemption says by which rule.")


def _plain(row: LegalEntity) -> dict[str, Any]:
    found = model_to_dict(row, fields=FIELDS)
    return {**found, "tax_rate": str(row.tax_rate)}
