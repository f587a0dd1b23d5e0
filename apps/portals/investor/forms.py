"""The filter of the history."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import TradingAccount


class HistoryFilter(forms.Form):
    """All fields may be left empty; days are UTC."""

    account = forms.ChoiceField(label=_("Account"), required=False)
    symbol = forms.ChoiceField(label=_("Symbol"), required=False)
    since = forms.DateField(
        label=_("Closed from"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("Closed to"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(
        self, *args: Any, accounts: Iterable[TradingAccount], symbols: Iterable[str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(one.public_id), str(one)) for one in accounts]
        self.fields["account"].choices = [("", _("All")), *choices]  # type: ignore[attr-defined]
        self.fields["symbol"].choices = [("", _("All")), *((s, s) for s in symbols)]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        since, until = data.get("since"), data.get("until")
        if since and until and since > until:
            self.add_error("until", _("This day is before the first one."))
        return data
