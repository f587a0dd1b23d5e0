"""Forms of the platform's staff."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tenants.figures import currency_digits
from tenants.revenue.contracts import NewInvoice
from tenants.revenue.models import Plan


def end_of(day: Any) -> datetime:
    """The last second of a day, UTC."""
    return datetime.combine(day, time(23, 59, 59), UTC)


class LoginForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"))
    password = forms.CharField(
        label=_("Password"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class DayForm(forms.Form):
    """How long a trial or more time lasts."""

    until = forms.DateField(
        label=_("Until and including"), widget=forms.DateInput(attrs={"type": "date"})
    )


class PaidForm(DayForm):
    """A payment by hand; with a number it is an invoice on record."""

    plan = forms.ModelChoiceField(
        label=_("Plan"), queryset=Plan.objects.order_by("month_minor"), required=False
    )
    number = forms.CharField(label=_("Invoice number"), max_length=80, required=False)
    amount = forms.DecimalField(
        label=_("Amount"), min_value=0, max_digits=14, decimal_places=2, required=False
    )
    currency = forms.CharField(label=_("Currency"), max_length=3, min_length=3, initial="USD")

    def invoice(self) -> NewInvoice | None:
        """The invoice told, None without a number."""
        values = self.cleaned_data
        if not values["number"]:
            return None
        currency = values["currency"].upper()
        minor = int((values["amount"] or Decimal(0)) * 10 ** currency_digits(currency))
        return NewInvoice(values["number"], currency, minor)
