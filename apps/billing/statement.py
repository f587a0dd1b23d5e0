"""What a fee statement says: plain JSON, frozen when it is issued. No database, no clock."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from apps.accounts.models import Link, User
from apps.billing.compute import Charge, Step
from apps.billing.formulas import lines_of
from apps.billing.words import DEFAULT, language_for
from tenants.brand import BrandTokens


def statement_data(
    charge: Charge,
    link: Link,
    brand: BrandTokens,
    *,
    zone: str,
    period: str,
    site: str,
) -> dict[str, Any]:
    """Everything the PDF and the e-mail are made from. Money in minor units.

    `site`: where the broker's pages are, "https://acme.example".
    """
    window = charge.window
    owner = link.account.owner
    named = lines_of(charge.items, window.currency)
    return {
        "kind": "fee_statement",
        **frame(brand, owner, zone=zone, period=period, site=site),
        "window_from": window.starts_at.isoformat(),
        "window_to": window.ends_at.isoformat(),
        "marked_at": window.closing.at.isoformat(),
        "currency": window.currency,
        "investor": name_of(owner),
        "account": str(link.account.login),
        "server": link.account.server.name,
        "master": link.master.name,
        "manager": name_of(link.master.manager),
        "rate": str(charge.terms.rate.normalize()),
        "hwm_basis": charge.terms.hwm_basis,
        "figures": charge.figures.as_json(),
        "charges": [line.as_json() for line in named],
        "total_minor": sum(line.amount_minor for line in named),
        "hwm_opening": _places(charge.hwm_opening),
        "hwm_is_new": window.hwm is None,
        "hwm_after": _places(charge.hwm_after),
        "steps": [_step(step) for step in charge.steps],
    }


def frame(
    brand: BrandTokens, reader: User | None, *, zone: str, period: str, site: str
) -> dict[str, Any]:
    """What every document has: the reader's language, the period, the broker's look and place."""
    return {
        "language": language_for(reader.language) if reader else DEFAULT,
        "period": period,
        "zone": zone,
        "site": site,
        "brand": {name: value for name, value in asdict(brand).items() if name != "sender_email"},
    }


def name_of(person: User | None) -> str:
    """The name on paper; the e-mail address of who has told none."""
    return (person.full_name or person.email) if person else ""


def _step(step: Step) -> dict[str, Any]:
    return {
        "at": step.at.isoformat(),
        "kind": step.kind,
        "equity_minor": step.equity_minor,
        "amount_minor": step.amount_minor,
        "fee_minor": step.fee_minor,
        "before": _places(step.before),
        "after": _places(step.after),
    }


def _places(value: Decimal) -> str:
    return f"{value:.6f}"
