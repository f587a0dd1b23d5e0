"""Limits of an account, of every account, or of the master; money in units of the currency."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.core.book.risk.settings import Protection, Scope, check_protection
from apps.core.money import digits_of, from_minor
from apps.core.protection import DailyBase
from apps.portals.manager.forms.fields import CodedForm, PlainDecimalField, number

_MONEY = ("stop_equity_minor", "trailing_minor", "end_of_day_minor")
_OPENINGS = ("margin_level_min_pct", "max_leverage")


def _field(label: Any, *, digits: int = 16, places: int = 2) -> PlainDecimalField:
    return PlainDecimalField(
        label=label,
        required=False,
        min_value=0,
        max_digits=digits,
        decimal_places=places,
        widget=number(),
    )


class ProtectionForm(CodedForm):
    """One party's whole set; empty is no limit. What the scope does not have is left out."""

    stop_equity_minor = _field(_("Stop at equity of"))
    trailing_percent = _field(_("Stop below the highest equity by, per cent"), digits=6, places=4)
    trailing_minor = _field(_("Stop below the highest equity by"))
    end_of_day_minor = _field(_("Stop below the highest end-of-day balance by"))
    daily_loss_percent = _field(_("Stop when a day loses, per cent"), digits=6, places=4)
    daily_base = forms.ChoiceField(
        label=_("The day's loss is measured from"),
        choices=[
            (DailyBase.INITIAL, _("the day's balance, per cent of the first")),
            (DailyBase.START_BALANCE, _("the day's first balance")),
            (DailyBase.START_EQUITY, _("the day's first equity")),
            (DailyBase.HIGHER, _("the higher of the two")),
        ],
    )
    margin_level_min_pct = forms.IntegerField(
        label=_("Openings leave a margin level of at least, per cent"),
        required=False,
        widget=number(),
    )
    max_leverage = _field(_("Openings leave a leverage of at most"), digits=8)

    def __init__(self, *args: Any, scope: Scope, currency: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.scope, self.currency = scope, currency
        dropped = {"account": (), "every_account": _MONEY, "master": _OPENINGS}[scope]
        for name in dropped:
            del self.fields[name]

    @property
    def rows(self) -> list[tuple[forms.BoundField, str]]:
        """Every shown field with its unit."""
        units = dict.fromkeys(_MONEY, self.currency)
        return [
            (self[name], units.get(name, "%" if "perc" in name or "pct" in name else ""))
            for name in self.fields
            if name != "command_id"
        ]

    def protection(self) -> Protection:
        """Raises InputError `protection_invalid` that names the field."""
        values: dict[str, Any] = {
            name: self.cleaned_data.get(name) for name in self.fields if name != "command_id"
        }
        for name in _MONEY:
            if values.get(name) is not None:
                values[name] = int(values[name].scaleb(digits_of(self.currency)))
        values["daily_base"] = DailyBase(values["daily_base"])
        return check_protection(Protection(**values), self.scope)


def initial_limits(limits: dict[str, Any], currency: str) -> dict[str, Any]:
    """Recorded limits as the form shows them."""
    digits = digits_of(currency)
    shown: dict[str, Any] = {"daily_base": DailyBase.INITIAL, **limits}
    for name in _MONEY:
        if name in shown:
            shown[name] = from_minor(shown[name], digits)
    for name in ("trailing_percent", "daily_loss_percent", "max_leverage"):
        if name in shown:
            shown[name] = Decimal(shown[name])
    return shown


class StopForm(CodedForm):
    """A hard stop, with the token of what was shown."""

    token = forms.CharField(max_length=20_000, widget=forms.HiddenInput)
