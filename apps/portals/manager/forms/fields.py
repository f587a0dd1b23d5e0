"""What the terminal's forms are made of: coded errors, plain decimals, lists."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.core.errors import ProrataError

# Which field an engine's refusal belongs to; the rest are about the order as a whole.
FIELD_OF_CODE = {
    "unknown_symbol": "symbol",
    "no_quote": "symbol",
    "stale_quote": "symbol",
    "market_closed": "symbol",
    "volume_not_positive": "volume_lots",
    "volume_off_step": "volume_lots",
    "volume_below_min": "volume_lots",
    "volume_above_max": "volume_lots",
    "close_exceeds_open": "volume_lots",
    "price_required": "price",
    "price_not_allowed": "price",
    "price_invalid": "price",
    "price_off_grid": "price",
    "price_wrong_side": "price",
    "limit_price_required": "limit_price",
    "limit_price_not_allowed": "limit_price",
    "stop_loss_wrong_side": "stop_loss",
    "stop_loss_required": "stop_loss",
    "take_profit_wrong_side": "take_profit",
    "trailing_invalid": "trailing_distance",
    "expiry_invalid": "expiry",
}


class CodedForm(forms.Form):
    """A form whose errors carry stable codes."""

    command_id = forms.UUIDField(widget=forms.HiddenInput)

    def refuse(self, error: ProrataError) -> None:
        """Put the engine's refusal at the field it is about."""
        field = FIELD_OF_CODE.get(error.code) or str(error.details.get("field", ""))
        self.add_error(
            field if field in self.fields else None,
            forms.ValidationError(error.message, code=error.code),
        )

    def codes(self) -> list[str]:
        """The codes of all errors, for the page and for whoever reads the answer."""
        return [
            error["code"] for errors in self.errors.get_json_data().values() for error in errors
        ]

    def renew(self) -> None:
        """The next submission is a new command: the book has recorded an answer to this one."""
        data = self.data.dict()  # type: ignore[attr-defined]
        self.data = {**data, "command_id": str(uuid.uuid4()), "token": ""}


class PlainDecimalField(forms.DecimalField):
    """Digits and a point: nobody means "1e3" when they order lots."""

    def to_python(self, value: Any) -> Any:  # the stubs take it for an IntegerField
        if isinstance(value, str) and "e" in value.lower():
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(value)


def number(**attrs: str) -> forms.TextInput:
    return forms.TextInput(
        attrs={"inputmode": "decimal", "autocomplete": "off", "class": "input input--num", **attrs}
    )


def price_field(label: Any) -> PlainDecimalField:
    """A price, or a difference of prices; empty is none."""
    return PlainDecimalField(
        label=label, required=False, max_digits=18, decimal_places=8, min_value=0, widget=number()
    )


def lots_field(label: Any, *, required: bool = True, **attrs: str) -> PlainDecimalField:
    return PlainDecimalField(
        label=label, required=required, max_digits=14, decimal_places=4, widget=number(**attrs)
    )


class LotsBySymbolField(forms.CharField):
    """ "EURUSD 2, GBPUSD 0.5" as {symbol: lots}."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        found: dict[str, Decimal] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _space, lots = part.partition(" ")
            try:
                found[name] = Decimal(lots.strip())
            except ArithmeticError:
                raise forms.ValidationError(
                    _("%(part)s is not a symbol and its lots."),
                    code="invalid",
                    params={"part": part},
                ) from None
        return found

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, dict):
            return ", ".join(f"{name} {lots}" for name, lots in sorted(value.items()))
        return value


class NamesField(forms.CharField):
    """ "EURUSD, GBPUSD" as a list; empty as None."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value) or ""
        return [part.strip() for part in text.split(",") if part.strip()] or None

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list) else value
