"""Documents as PDF, from their frozen data alone; WeasyPrint reads only our static files."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext as _

from apps.billing import words
from apps.core.errors import UnavailableError
from apps.core.ints import half_up
from tenants.figures import active_marks, currency_digits, scaled_text

ASSETS = "asset:///"
EXTRA_PLACES = 4  # shown of a mark that is a fraction of a minor unit
_MONTH = re.compile(r"\d{4}-\d{2}")
_SHEETS = {
    "fee_statement": "billing/fee_statement.html",
    "remittance": "billing/summary.html",
    "invoice": "billing/summary.html",
    "credit_note": "billing/summary.html",
}


def render_document(data: dict[str, Any], digest: str, attached: bytes) -> bytes:
    """The PDF of a document's data, in the data's language; `attached` are the data's canonical
    bytes, which the file carries when the data asks for an archive (PDF/A-3b).

    Raises UnavailableError("pdf_unavailable") where WeasyPrint's system libraries are missing.
    """
    html = document_html(data, digest)
    try:
        weasy = import_module("apps.billing.weasy")
    except OSError as error:
        raise UnavailableError(
            "pdf_unavailable",
            "PDF files need libpango-1.0-0, libpangoft2-1.0-0 and libharfbuzz-subset0.",
        ) from error
    name = f"{data['number']}.json"
    archive = (name, attached) if data.get("archive") else None
    pdf: bytes = weasy.to_pdf(html, archive)
    return pdf


def document_html(data: dict[str, Any], digest: str) -> str:
    """The sheet as HTML, in the data's language."""
    with translation.override(words.language_for(data["language"])):
        return render_to_string(_SHEETS[data["kind"]], _context(data, digest))


def period_label(data: dict[str, Any]) -> str:
    """“October 2026”, or the dates of any other stretch of time. In the active language."""
    key = data["period"]
    if _MONTH.fullmatch(key):
        return words.month(datetime(int(key[:4]), int(key[5:7]), 1))
    start, end = _local(data["window_from"], data), _local(data["window_to"], data)
    return f"{words.day(start)} – {words.day(end)}"


def title_of(data: dict[str, Any]) -> str:
    """What the document is called, in the active language."""
    if data["kind"] == "invoice" and data.get("tax"):
        return _("Tax invoice")
    return {
        "fee_statement": _("Fee statement"),
        "remittance": _("Remittance advice"),
        "invoice": _("Invoice"),
        "credit_note": _("Credit note"),
    }[data["kind"]]


def mark_text(value: str, currency: str) -> str:
    """A high-water mark (decimal minor units as text) as an amount; all places that matter."""
    mark, marks = Decimal(value), active_marks()
    digits = currency_digits(currency)
    if mark == mark.to_integral_value():
        return scaled_text(int(mark), digits, marks)
    shown = mark.scaleb(EXTRA_PLACES).quantize(Decimal(1))
    return scaled_text(int(shown), digits + EXTRA_PLACES, marks)


def _local(moment: str, data: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(data["zone"]))


def _context(data: dict[str, Any], digest: str) -> dict[str, Any]:
    """What every sheet is given, and what its kind adds."""
    brand = data["brand"]
    shared = {
        "data": data,
        "currency": data["currency"],
        "digest": digest,
        "verify_url": _verify_url(data, digest),
        "brand": brand,
        "issuer": data.get("issuer") or {"name": brand["legal_name"]},
        "logo": ASSETS + brand["logo_light"] if brand["logo_light"] else "",
        "title": title_of(data),
        "period": period_label(data),
        "window_from": _local(data["window_from"], data),
        "window_to": _local(data["window_to"], data),
        "issued_at": _local(data["issued_at"], data),
        "rtl": translation.get_language_bidi(),
        "language": translation.get_language(),
    }
    return shared | (_statement(data) if data["kind"] == "fee_statement" else _summary(data))


def _statement(data: dict[str, Any]) -> dict[str, Any]:
    currency, figures = data["currency"], data["figures"]
    steps = [
        {
            **step,
            "at": _local(step["at"], data),
            "after_text": mark_text(step["after"], currency),
            **_explained(step, data),
        }
        for step in data["steps"]
    ]
    # Statements from before other kinds of fees had the performance fee alone.
    charges = data.get("charges") or [
        {"kind": "performance", "amount_minor": figures["fee_minor"], "formula": ""}
    ]
    total = sum(line["amount_minor"] for line in charges)
    performance = sum(line["amount_minor"] for line in charges if line["kind"] == "performance")
    return {
        "figures": figures,
        "charges": [{**line, "name": words.charge_name(line["kind"])} for line in charges],
        "others": [
            {**line, "name": words.charge_name(line["kind"])}
            for line in charges
            if line["kind"] != "performance"
        ],
        "total_minor": total,
        "performance_minor": performance,
        "closing_minor": figures["equity_minor"] - total,
        "marked_at": _local(data["marked_at"], data),
        "hwm_opening": mark_text(data["hwm_opening"], currency),
        "steps": steps,
        "crystallised": [step for step in steps if step["kind"] == "crystallised"],
    }


def _summary(data: dict[str, Any]) -> dict[str, Any]:
    """A list of charges. A statement's credit note lists the statement's own, of one account."""
    tax = data.get("tax")
    common = {
        "account": data.get("account", ""),
        "master": data.get("master", ""),
        "statement": data.get("mirrored_number", ""),
        "window_to": data["window_to"],
    }
    lines = [common | line for line in data["lines"]]
    return {
        "recipient": data.get("recipient") or data.get("investor", ""),
        "lines": [
            {
                **line,
                "name": words.charge_name(line["kind"]),
                "until": _local(line["window_to"], data),
            }
            for line in lines
        ],
        "tax": tax,
        "tax_rate": words.percent(tax["rate"]) if tax else "",
        "kind": data["kind"],
        "mirrored_kind": data.get("mirrored_kind", data["kind"]),
    }


def _verify_url(data: dict[str, Any], digest: str) -> str:
    """Where a reader may ask whether this was issued; "" for documents from before the page."""
    site = data.get("site", "")
    return f"{site}/verify/{data['number']}?digest={digest}" if site else ""


def _explained(step: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    """How a step's fee follows: `formula` up to the fee; `is_plain`: it is the whole computation,
    no hurdle, look-back or share of a withdrawal had a part in it."""
    currency = data["currency"]
    gain = max(Fraction(0), Fraction(step["equity_minor"]) - Fraction(step["before"]))
    exact = Decimal(gain.numerator) / Decimal(gain.denominator)  # six places: it ends
    equity, before = (
        words.money(step["equity_minor"], currency),
        mark_text(step["before"], currency),
    )
    rate, gained = words.percent(data["rate"]), mark_text(f"{exact:.6f}", currency)
    if half_up(Fraction(data["rate"]) * gain) != step["fee_minor"]:
        return {"is_plain": False, "formula": f"{equity} − {before} = {gained} →"}
    formula = f"{rate} × max(0, {equity} − {before}) = {rate} × {gained} ="
    return {"is_plain": True, "formula": formula}
