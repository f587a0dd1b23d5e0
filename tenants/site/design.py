"""/_design/: every component on one page, on a broker's host, while DEBUG is on."""

from __future__ import annotations

import time
from decimal import Decimal

from django import forms
from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _


class SampleForm(forms.Form):
    """Fields of each kind; bound with mistakes to show its errors."""

    email = forms.EmailField(label=_("E-mail"), help_text=_("Statements go to this address."))
    lots = forms.DecimalField(label=_("Volume"), min_value=Decimal("0.01"), decimal_places=2)
    side = forms.ChoiceField(label=_("Side"), choices=[("buy", _("Buy")), ("sell", _("Sell"))])
    note = forms.CharField(label=_("Note"), required=False, widget=forms.Textarea)
    agree = forms.BooleanField(label=_("I have read the terms"))


BLOCKS = [
    {"id": 1, "symbol": "EURUSD", "side": "buy", "steps": 12_345, "digits": 5, "open": 108_542,
     "now": 108_611, "pnl": 845_233, "tone": "ok", "status": _("Open")},
    {"id": 2, "symbol": "USDJPY", "side": "sell", "steps": 5_000, "digits": 3, "open": 151_204,
     "now": 151_377, "pnl": -114_380, "tone": "warn", "status": _("Part closed")},
    {"id": 3, "symbol": "XAUUSD", "side": "buy", "steps": 100, "digits": 2, "open": 203_412,
     "now": 203_412, "pnl": 0, "tone": "unknown", "status": _("Unknown")},
]  # fmt: skip


def design(request: HttpRequest) -> HttpResponse:
    """GET /_design/?dir=rtl. 404 unless DEBUG."""
    if not settings.DEBUG:
        raise Http404
    now_ms = int(time.time() * 1000)
    pages = Paginator(range(1, 241), 25)
    return render(
        request,
        "design.html",
        {
            "nav": [
                {"label": _("Terminal"), "url": "#", "current": True},
                {"label": _("Blocks"), "url": "#blocks", "count": 3},
                {"label": _("Sub-accounts"), "url": "#tables"},
                {"label": _("Fees"), "url": "#states"},
            ],
            "direction": "rtl" if request.GET.get("dir") == "rtl" else "ltr",
            "form": SampleForm(),
            "bad_form": SampleForm({"email": "nobody", "lots": "-1", "side": "hold"}),
            "blocks": BLOCKS,
            "page": pages.page(2),
            "now_ms": now_ms,
            "old_ms": now_ms - 42_000,
            "step": Decimal("0.01"),
            "ratio": Decimal("0.12345"),
            "loss": Decimal("-0.0321"),
        },
    )
