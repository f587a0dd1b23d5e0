"""The order ticket and the closing form: text in, commands out."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Symbol
from apps.core.book.commands import AmendBlock, CloseBlock, Expiry, OrderKind, PlaceBlock, Side
from apps.core.errors import ProrataError
from apps.portals.manager.book import Desk

# Which field an engine's refusal belongs to; the rest are about the order as a whole.
FIELD_OF_CODE = {
    "unknown_symbol": "symbol",
    "no_quote": "symbol",
    "stale_quote": "symbol",
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
    "stop_loss_wrong_side": "stop_loss",
    "stop_loss_required": "stop_loss",
    "take_profit_wrong_side": "take_profit",
    "expiry_invalid": "expiry",
}


class CodedForm(forms.Form):
    """A form whose errors carry stable codes."""

    command_id = forms.UUIDField(widget=forms.HiddenInput)

    def refuse(self, error: ProrataError) -> None:
        """Put the engine's refusal at the field it is about."""
        field = FIELD_OF_CODE.get(error.code)
        if field not in self.fields:
            field = None
        self.add_error(field, forms.ValidationError(error.message, code=error.code))

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


def _price(label: Any) -> PlainDecimalField:
    return PlainDecimalField(
        label=label, required=False, max_digits=18, decimal_places=8, min_value=0, widget=_number()
    )


def _number(**attrs: str) -> forms.TextInput:
    return forms.TextInput(
        attrs={"inputmode": "decimal", "autocomplete": "off", "class": "input input--num", **attrs}
    )


class TicketForm(CodedForm):
    """One block: symbol, side, kind, lots, price, stops. `token`: of the preview it came from."""

    token = forms.CharField(required=False, max_length=20_000, widget=forms.HiddenInput)

    symbol = forms.ChoiceField(label=_("Symbol"))
    side = forms.ChoiceField(label=_("Side"), choices=[("sell", _("Sell")), ("buy", _("Buy"))])
    kind = forms.ChoiceField(
        label=_("Type"),
        choices=[("market", _("Market")), ("limit", _("Limit")), ("stop", _("Stop"))],
    )
    volume_lots = PlainDecimalField(
        label=_("Volume"), max_digits=14, decimal_places=4, widget=_number()
    )
    price = PlainDecimalField(
        label=_("Price"), required=False, max_digits=18, decimal_places=8, widget=_number()
    )
    stop_loss = _price(_("Stop loss"))
    take_profit = _price(_("Take profit"))
    expiry = forms.ChoiceField(
        label=_("Expiry"),
        required=False,
        choices=[("gtc", _("Until cancelled")), ("day", _("Today (UTC)"))],
    )

    def __init__(self, *args: Any, symbols: Iterable[Symbol], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["symbol"])
        field.choices = [(symbol.name, symbol.name) for symbol in symbols]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "price" in self.errors:
            return cleaned
        price, kind = cleaned.get("price"), cleaned.get("kind")
        if kind == "market":
            # The fields are hidden then; what is left in them means nothing.
            cleaned["price"], cleaned["expiry"] = None, "gtc"
        elif kind in ("limit", "stop") and price is None:
            self.add_error(
                "price",
                forms.ValidationError(
                    _("A limit or stop order needs a price."), code="price_required"
                ),
            )
        return cleaned

    def command(self, desk: Desk) -> PlaceBlock:
        """The command of a valid ticket."""
        data = self.cleaned_data
        return PlaceBlock(
            command_id=data["command_id"],
            symbol=data["symbol"],
            side=cast(Side, data["side"]),
            volume_lots=data["volume_lots"],
            kind=cast(OrderKind, data["kind"]),
            price=data["price"],
            stop_loss=data["stop_loss"],
            take_profit=data["take_profit"],
            expiry=cast(Expiry, data["expiry"] or "gtc"),
            token=data["token"],
            placed_by=str(desk.user.public_id),
        )


class CloseForm(CodedForm):
    """Close a block: lots, all that is open by default."""

    volume_lots = PlainDecimalField(
        label=_("Volume to close"),
        max_digits=14,
        decimal_places=4,
        widget=_number(autofocus="autofocus"),
    )

    def command(self, desk: Desk, block_id: UUID, open_lots: Decimal) -> CloseBlock:
        """Closing all that the form showed as open is said as such, not as a number of lots."""
        lots: Decimal = self.cleaned_data["volume_lots"]
        return CloseBlock(
            command_id=self.cleaned_data["command_id"],
            block_id=block_id,
            volume_lots=None if lots == open_lots else lots,
            placed_by=str(desk.user.public_id),
        )


class AmendForm(CodedForm):
    """Change a block. An empty stop loss or take profit is none; price and volume of a pending
    block alone."""

    price = _price(_("Price"))
    volume_lots = PlainDecimalField(
        label=_("Volume"), required=False, max_digits=14, decimal_places=4, widget=_number()
    )
    stop_loss = _price(_("Stop loss"))
    take_profit = _price(_("Take profit"))

    def command(self, desk: Desk, block_id: UUID) -> AmendBlock:
        data = self.cleaned_data
        return AmendBlock(
            command_id=data["command_id"],
            block_id=block_id,
            price=data["price"],
            volume_lots=data["volume_lots"],
            stop_loss=data["stop_loss"] or Decimal(0),
            take_profit=data["take_profit"] or Decimal(0),
            placed_by=str(desk.user.public_id),
        )


class CancelForm(CodedForm):
    """Cancel a pending order."""
