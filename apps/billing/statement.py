"""What a fee statement says: plain JSON, frozen when it is issued. No database, no clock."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from apps.accounts.models import Link
from apps.billing.compute import Charge, Step
from tenants.brand import BrandTokens


def statement_data(
    charge: Charge, link: Link, brand: BrandTokens, *, zone: str, period: str, site: str
) -> dict[str, Any]:
    """Everything the PDF and the e-mail are made from. Money in minor units.

    `site`: where the broker's pages are, "https://acme.example".
    """
    window = charge.window
    owner = link.account.owner
    return {
        "kind": "fee_statement",
        "language": owner.language if owner else "en",
        "period": period,
        "zone": zone,
        "site": site,
        "window_from": window.starts_at.isoformat(),
        "window_to": window.ends_at.isoformat(),
        "marked_at": window.closing.at.isoformat(),
        "currency": window.currency,
        "investor": owner.full_name or owner.email if owner else "",
        "account": str(link.account.login),
        "server": link.account.server.name,
        "master": link.master.name,
        "manager": link.master.manager.full_name or link.master.manager.email,
        "rate": str(charge.terms.rate.normalize()),
        "hwm_basis": charge.terms.hwm_basis,
        "figures": charge.figures.as_json(),
        "hwm_opening": _places(charge.hwm_opening),
        "hwm_is_new": window.hwm is None,
        "hwm_after": _places(charge.hwm_after),
        "steps": [_step(step) for step in charge.steps],
        "brand": {name: value for name, value in asdict(brand).items() if name != "sender_email"},
    }


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
