"""The order ticket: text in, a command out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC
from decimal import Decimal
from typing import Any, cast

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import Symbol
from apps.core.book.commands import Expiry, OrderKind, PlaceBlock, Side
from apps.portals.manager.book import Desk
from apps.portals.manager.forms.fields import CodedForm, lots_field, price_field

MOST_BY_HAND = 1_000


class ManualLotsField(forms.CharField):
    """{"login": "lots"} in JSON: what the preview's cells hold after an edit."""

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        try:
            told = json.loads(text) if text else {}
            found = {int(login): Decimal(lots) for login, lots in told.items()}
        except (ValueError, ArithmeticError, AttributeError, TypeError):
            found = {0: Decimal("NaN")}
        if len(found) > MOST_BY_HAND or not all(
            lots.is_finite() and lots >= 0 for lots in found.values()
        ):
            raise forms.ValidationError(
                _("Lots by hand are numbers of zero or more, for at most %(most)s accounts."),
                code="manual_invalid",
                params={"most": MOST_BY_HAND},
            )
        return found

    def prepare_value(self, value: Any) -> Any:
        return value or ""


class TicketForm(CodedForm):
    """One block: symbol, side, kind, lots, prices, stops. `token`: of the preview it came from."""

    token = forms.CharField(required=False, max_length=20_000, widget=forms.HiddenInput)
    manual = ManualLotsField(required=False, max_length=60_000, widget=forms.HiddenInput)

    symbol = forms.ChoiceField(label=_("Symbol"))
    side = forms.ChoiceField(label=_("Side"), choices=[("sell", _("Sell")), ("buy", _("Buy"))])
    kind = forms.ChoiceField(
        label=_("Type"),
        choices=[
            ("market", _("Market")),
            ("limit", _("Limit")),
            ("stop", _("Stop")),
            ("stop_limit", _("Stop-limit")),
        ],
    )
    volume_lots = lots_field(_("Volume"))
    price = price_field(_("Price"))
    limit_price = price_field(_("Limit once the stop is reached"))
    stop_loss = price_field(_("Stop loss"))
    take_profit = price_field(_("Take profit"))
    trailing_distance = price_field(_("Trailing distance"))
    expiry = forms.ChoiceField(
        label=_("Expiry"),
        required=False,
        choices=[
            ("gtc", _("Until cancelled")),
            ("day", _("Today (UTC)")),
            ("date", _("At a time (UTC)")),
        ],
    )
    expires_at = forms.DateTimeField(
        label=_("Expires at (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "class": "input"}),
    )

    def __init__(self, *args: Any, symbols: Iterable[Symbol], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["symbol"])
        field.choices = [(symbol.name, symbol.name) for symbol in symbols]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("kind")
        if kind == "market":
            # The fields are hidden then; what is left in them means nothing.
            cleaned["price"], cleaned["expiry"] = None, "gtc"
        elif cleaned.get("price") is None and "price" not in self.errors:
            self._miss("price", "price_required", _("An order that waits needs a price."))
        if kind != "stop_limit":
            cleaned["limit_price"] = None
        elif cleaned.get("limit_price") is None and "limit_price" not in self.errors:
            self._miss("limit_price", "limit_price_required", _("A stop-limit needs a limit."))
        if cleaned.get("expiry") != "date":
            cleaned["expires_at"] = None
        elif cleaned.get("expires_at") is None and "expires_at" not in self.errors:
            self._miss("expires_at", "expiry_invalid", _("Say when the order expires."))
        return cleaned

    def _miss(self, field: str, code: str, text: Any) -> None:
        self.add_error(field, forms.ValidationError(text, code=code))

    def command(self, desk: Desk, accounts: dict[int, int]) -> PlaceBlock:
        """The command of a valid ticket. `accounts`: login → account id of those set by hand."""
        data = self.cleaned_data
        return PlaceBlock(
            command_id=data["command_id"],
            symbol=data["symbol"],
            side=cast(Side, data["side"]),
            volume_lots=data["volume_lots"],
            kind=cast(OrderKind, data["kind"]),
            price=data["price"],
            limit_price=data["limit_price"],
            manual_lots={accounts[login]: lots for login, lots in data["manual"].items()},
            stop_loss=data["stop_loss"] or None,
            take_profit=data["take_profit"] or None,
            trailing_distance=data["trailing_distance"] or None,
            expiry=cast(Expiry, data["expiry"] or "gtc"),
            expires_at_ms=_ms(data["expires_at"]),
            token=data["token"],
            placed_by=str(desk.user.public_id),
        )


def _ms(at: Any) -> int | None:
    """A time typed as UTC, whatever zone the page is in."""
    if at is None:
        return None
    naive = timezone.make_naive(at) if timezone.is_aware(at) else at
    return int(naive.replace(tzinfo=UTC).timestamp() * 1000)
