"""The form of the legal entity's settings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.billing.models import LegalEntity


class LegalEntityForm(forms.Form):
    """`tax_percent` is what people write; the settings keep a ratio."""

    name = forms.CharField(
        label=_("Legal name"),
        max_length=200,
        help_text=_("Another name starts number series of its own."),
    )
    address = forms.CharField(
        label=_("Address"), max_length=500, required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )  # fmt: skip
    registration_no = forms.CharField(label=_("Registration number"), max_length=60, required=False)
    tax = forms.ChoiceField(label=_("Tax on invoices"), choices=LegalEntity.Tax.choices)
    tax_name = forms.CharField(label=_("Name of the tax"), max_length=20, initial="VAT")
    tax_id = forms.CharField(label=_("Tax number"), max_length=40, required=False)
    tax_percent = forms.DecimalField(
        label=_("Rate, %"), min_value=0, max_value=99, decimal_places=3, required=False
    )
    exemption_text = forms.CharField(
        label=_("Text of the exemption"),
        max_length=300,
        required=False,
        help_text=_("The rule that exempts, as it must stand on the invoice."),
    )
    issues_invoices = forms.BooleanField(
        label=_("Issue an invoice to each investor after a run"), required=False
    )
    archives = forms.BooleanField(
        label=_("Archive format: PDF/A-3b with the data attached"), required=False
    )

    @staticmethod
    def values_of(entity: LegalEntity) -> dict[str, Any]:
        """Initial values."""
        names = (
            "name", "address", "registration_no", "tax", "tax_name", "tax_id", "exemption_text",
            "issues_invoices", "archives",
        )  # fmt: skip
        percent = (Decimal(entity.tax_rate) * 100).normalize()
        return {name: getattr(entity, name) for name in names} | {"tax_percent": f"{percent:f}"}

    def entity(self) -> LegalEntity:
        """What was asked for, not saved."""
        values = dict(self.cleaned_data)
        percent = values.pop("tax_percent") or Decimal(0)
        return LegalEntity(**values, tax_rate=percent / 100)
