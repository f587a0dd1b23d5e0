"""The fee statement as PDF, from its frozen data alone; WeasyPrint reads only our static files."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any
from zoneinfo import ZoneInfo

from django.template.loader import render_to_string
from django.utils import translation
from django.utils.formats import date_format

from apps.core.errors import UnavailableError
from tenants.brand import FONT_STACKS
from tenants.figures import active_marks, currency_digits, percent_text, scaled_text

ASSETS = "asset:///"
EXTRA_PLACES = 4  # shown of a mark that is a fraction of a minor unit


def render_statement(data: dict[str, Any], digest: str) -> bytes:
    """The PDF of a statement's data, in the data's language.

    Raises UnavailableError("pdf_unavailable") where WeasyPrint's system libraries are missing.
    """
    with translation.override(data["language"]):
        html = render_to_string("billing/fee_statement.html", _context(data, digest))
    try:
        weasy = import_module("apps.billing.weasy")
    except OSError as error:
        raise UnavailableError(
            "pdf_unavailable",
            "PDF files need libpango-1.0-0, libpangoft2-1.0-0 and libharfbuzz-subset0.",
        ) from error
    pdf: bytes = weasy.to_pdf(html)
    return pdf


def period_label(data: dict[str, Any]) -> str:
    """“October 2026”, or the dates of an interim settlement. In the active language."""
    start, end = _local(data["window_from"], data), _local(data["window_to"], data)
    key = data["period"]
    if "/" in key:
        return f"{date_format(start, 'DATE_FORMAT')} – {date_format(end, 'DATE_FORMAT')}"
    return date_format(datetime(int(key[:4]), int(key[5:7]), 1), "YEAR_MONTH_FORMAT")


def mark_text(value: str, currency: str) -> str:
    """A high-water mark (decimal minor units as text) as an amount; all places that matter."""
    mark = Decimal(value)
    digits = currency_digits(currency)
    if mark == mark.to_integral_value():
        return scaled_text(int(mark), digits, active_marks())
    shown = mark.scaleb(EXTRA_PLACES).quantize(Decimal(1))
    return scaled_text(int(shown), digits + EXTRA_PLACES, active_marks())


def _local(moment: str, data: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(moment).astimezone(ZoneInfo(data["zone"]))


def _context(data: dict[str, Any], digest: str) -> dict[str, Any]:
    currency, brand = data["currency"], data["brand"]
    steps = [
        {
            **step,
            "at": _local(step["at"], data),
            "before_text": mark_text(step["before"], currency),
            "after_text": mark_text(step["after"], currency),
            "gain_text": _gain_text(step, currency),
        }
        for step in data["steps"]
    ]
    return {
        "data": data,
        "figures": data["figures"],
        "digest": digest,
        "verify_url": _verify_url(data, digest),
        "brand": brand,
        "font": FONT_STACKS[brand["font"]],
        "logo": ASSETS + brand["logo_light"] if brand["logo_light"] else "",
        "period": period_label(data),
        "window_from": _local(data["window_from"], data),
        "window_to": _local(data["window_to"], data),
        "marked_at": _local(data["marked_at"], data),
        "issued_at": _local(data["issued_at"], data),
        "rate": percent_text(Decimal(data["rate"]), _rate_places(data["rate"]), active_marks()),
        "hwm_opening": mark_text(data["hwm_opening"], currency),
        "steps": steps,
        "crystallised": [step for step in steps if step["kind"] == "crystallised"],
        "rtl": translation.get_language_bidi(),
        "language": translation.get_language(),
    }


def _verify_url(data: dict[str, Any], digest: str) -> str:
    """Where a reader may ask whether this was issued; "" for documents from before the page."""
    site = data.get("site", "")
    return f"{site}/verify/{data['number']}?digest={digest}" if site else ""


def _gain_text(step: dict[str, Any], currency: str) -> str:
    gain = max(Fraction(0), Fraction(step["equity_minor"]) - Fraction(step["before"]))
    exact = Decimal(gain.numerator) / Decimal(gain.denominator)  # six places: it ends
    return mark_text(f"{exact:.6f}", currency)


def _rate_places(rate: str) -> int:
    """Decimals of the rate as per cent: 0.2 → 0, 0.125 → 1."""
    return max(0, -int((Decimal(rate) * 100).normalize().as_tuple().exponent))
