"""Forms of the office."""

from __future__ import annotations

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.accounts.models import (
    ApiKey,
    Link,
    Master,
    Role,
    TradingAccount,
    TradingServer,
    User,
)
from apps.leaderboards.models import WidgetSettings

_PEOPLE = User.objects.filter(is_active=True).order_by("email")
_CURRENCIES = [(code, code) for code in ("USD", "EUR", "GBP", "JPY", "CHF", "AUD", "CAD")]


class InviteForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"))
    full_name = forms.CharField(label=_("Name"), max_length=120, required=False)
    roles = forms.MultipleChoiceField(
        label=_("Roles"), choices=Role.choices, widget=forms.CheckboxSelectMultiple
    )


class MasterForm(forms.Form):
    """A new master. `command_id` makes a repeat of the same form open no second account."""

    command_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    name = forms.CharField(label=_("Name"), max_length=80)
    manager = forms.ModelChoiceField(
        label=_("Manager"),
        queryset=_PEOPLE,
        help_text=_("One of your people with the role of a manager."),
    )
    server = forms.ModelChoiceField(
        label=_("Trading server"), queryset=TradingServer.objects.order_by("name")
    )
    currency = forms.ChoiceField(label=_("Currency"), choices=_CURRENCIES)
    leverage = forms.IntegerField(label=_("Leverage 1:"), min_value=1, max_value=1000, initial=100)
    description = forms.CharField(
        label=_("Description"),
        help_text=_("What investors read of it."),
        max_length=2000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    is_public = forms.BooleanField(label=_("May appear on leaderboards"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        manager, server = self.fields["manager"], self.fields["server"]
        assert isinstance(manager, forms.ModelChoiceField)
        assert isinstance(server, forms.ModelChoiceField)
        manager.queryset = _PEOPLE.filter(roles__contains=[Role.MANAGER])
        server.empty_label = None


class LinkForm(forms.Form):
    """An investor's account joins a master: an existing one, or one opened for it."""

    command_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    account = forms.ModelChoiceField(
        label=_("Existing account"),
        queryset=TradingAccount.objects.none(),
        required=False,
        empty_label=_("Open a new one"),
    )
    investor = forms.ModelChoiceField(
        label=_("Investor of the new account"), queryset=_PEOPLE, required=False
    )
    currency = forms.ChoiceField(
        label=_("Currency"),
        choices=_CURRENCIES,
        required=False,
    )
    leverage = forms.IntegerField(
        label=_("Leverage 1:"), min_value=1, max_value=1000, initial=100, required=False
    )
    deposit = forms.DecimalField(
        label=_("First deposit"),
        min_value=Decimal(0),
        max_digits=14,
        decimal_places=2,
        initial=Decimal(0),
        required=False,
    )
    mode = forms.ChoiceField(
        label=_("Takes part"),
        choices=[
            ("new_trades_only", _("in new trades only")),
            ("proportional_at_market", _("also in what is open, proportionally at the market")),
            ("only_losing", _("also in what is open at a loss, where it enters better")),
            ("when_flat", _("from the first moment at which nothing is open")),
        ],
        initial="new_trades_only",
        required=False,
    )
    token = forms.CharField(widget=forms.HiddenInput, max_length=20_000, required=False)

    def __init__(self, *args: Any, master: Master, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # An account that was invited here, and not yet let in by the engine, may be tried again.
        following = (
            Link.objects.exclude(status=Link.Status.DETACHED)
            .exclude(status=Link.Status.INVITED, master=master)
            .values("account_id")
        )
        accounts = TradingAccount.objects.filter(
            server_id=master.account.server_id, kind=TradingAccount.Kind.SUB, owner__isnull=False
        ).exclude(pk__in=following)
        field = self.fields["account"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = accounts.select_related("owner").order_by("login")
        investor = self.fields["investor"]
        assert isinstance(investor, forms.ModelChoiceField)
        investor.queryset = _PEOPLE.filter(roles__contains=[Role.INVESTOR])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        cleaned["mode"] = cleaned.get("mode") or "new_trades_only"
        if not cleaned.get("account") and "account" in cleaned:
            for name in ("investor", "currency", "leverage"):
                if not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, ValidationError(_("A new account needs this."), "needed"))
            if cleaned.get("currency") == "JPY" and cleaned.get("deposit", 0) % 1:
                self.add_error("deposit", ValidationError(_("Yen have no decimals."), "digits"))
        return cleaned


class PeriodForm(forms.Form):
    """A period of the broker's time zone; apps.billing.periods judges it."""

    period = forms.CharField(
        label=_("Period"),
        help_text=_("A month 2026-10, a quarter 2026-Q4, a week 2026-W43 or a day 2026-10-21."),
        max_length=10,
    )


class KeyForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=60)
    owner = forms.ModelChoiceField(label=_("Acts as"), queryset=_PEOPLE)
    scopes = forms.MultipleChoiceField(
        label=_("May"),
        choices=ApiKey.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
    )
    days = forms.IntegerField(
        label=_("Expires after days"),
        help_text=_("Empty: never."),
        min_value=1,
        max_value=3650,
        required=False,
        initial=365,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["owner"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = _PEOPLE.filter(roles__overlap=[Role.MANAGER, Role.ADMIN])

    def expires_at(self) -> Any:
        days = self.cleaned_data.get("days")
        return timezone.now() + timedelta(days=days) if days else None


if TYPE_CHECKING:
    _WidgetModelForm = forms.ModelForm[WidgetSettings]
else:
    _WidgetModelForm = forms.ModelForm  # not subscriptable when it runs


class WidgetForm(_WidgetModelForm):
    class Meta:
        model = WidgetSettings
        fields = ["enabled", "allowed_origins", "row_limit", "show_aum"]
        help_texts = {
            "allowed_origins": _("One a line, such as https://www.example.com; * for every site."),
        }
        widgets = {"allowed_origins": forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})}


class SymbolMapForm(forms.Form):
    """How symbols of one server are named on another."""

    source = forms.ModelChoiceField(
        label=_("Server of the master"), queryset=TradingServer.objects.order_by("name")
    )
    target = forms.ModelChoiceField(
        label=_("Server of the accounts"), queryset=TradingServer.objects.order_by("name")
    )
    source_suffix = forms.CharField(
        label=_("Suffix on the master's server"), max_length=12, required=False
    )
    target_suffix = forms.CharField(
        label=_("Suffix on the accounts' server"),
        help_text=_("EURUSD becomes EURUSD.pro with the suffix .pro."),
        max_length=12,
        required=False,
    )
    names = forms.CharField(
        label=_("Other names"),
        help_text=_("One pair a line: XAUUSD GOLD"),
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"rows": 4}),
    )

    def clean_names(self) -> dict[str, str]:
        pairs = [line.split() for line in self.cleaned_data["names"].splitlines() if line.strip()]
        if any(len(pair) != 2 for pair in pairs):
            raise ValidationError(_("Every line has two names."))
        return dict(pairs)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if values.get("source") is not None and values.get("source") == values.get("target"):
            raise ValidationError(_("A map leads from one server to another."))
        return values


class ExecutionForm(forms.Form):
    command_id = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4)
    mode = forms.ChoiceField(label=_("Execution"), choices=Master.Execution.choices)
