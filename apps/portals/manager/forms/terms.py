"""The book's rule, and the terms of links: parameters and caps."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from apps.core.allocation import Rule
from apps.core.allocation.rule import BelowMin, CapPolicy, ManualPolicy, Method, Rounding
from apps.core.allocation.rule import ResidualPolicy as Residual
from apps.core.book.commands import SetLinkStatus, SetLinkTerms, SetRule
from apps.core.book.terms import LinkTerms, check_terms
from apps.portals.manager.book import Desk
from apps.portals.manager.forms.fields import (
    CodedForm,
    LotsBySymbolField,
    NamesField,
    PlainDecimalField,
    lots_field,
    number,
)

_TEXT = {"class": "input", "autocomplete": "off", "spellcheck": "false"}
METHODS = [
    (Method.EQUITY, _("Equity")),
    (Method.BALANCE, _("Balance")),
    (Method.EQUAL, _("Equal shares")),
    (Method.PERCENT, _("Percent of the block")),
    (Method.LOT_FIXED, _("Fixed lots")),
    (Method.LOT_WEIGHTS, _("Weighted by lots")),
    (Method.RATIO, _("Ratio to the master")),
    (Method.RATIO_EQUITY, _("Ratio × equity / master's equity")),
    (Method.RATIO_BALANCE, _("Ratio × balance / master's balance")),
    (Method.EQUITY_PERCENT, _("Percent of equity as margin")),
    (Method.EQUITY_PERCENT_SHARE, _("Weighted by percent of equity")),
    (Method.RISK_PERCENT, _("Percent of equity at risk")),
]


class TermsForm(CodedForm):
    """Parameters and caps of one link; what is empty is the book's default, or no limit."""

    parameter = PlainDecimalField(
        label=_("Percent or ratio"),
        required=False,
        min_value=0,
        max_digits=16,
        decimal_places=6,
        widget=number(),
    )
    lots = lots_field(_("Lots of the fixed methods"), required=False)
    max_order_lots = lots_field(_("Most lots in one block"), required=False)
    max_open_lots = lots_field(_("Most lots open"), required=False)
    max_symbol_lots = LotsBySymbolField(
        label=_("Most lots by symbol"),
        required=False,
        max_length=2000,
        widget=forms.TextInput(attrs=_TEXT),
        help_text=_("For example: EURUSD 2, XAUUSD 0.5"),
    )
    symbols = NamesField(
        label=_("Only these symbols"),
        required=False,
        max_length=4000,
        widget=forms.TextInput(attrs=_TEXT),
        help_text=_("Empty: all of them."),
    )
    max_leverage = PlainDecimalField(
        label=_("Most leverage"),
        required=False,
        min_value=0,
        max_digits=10,
        decimal_places=2,
        widget=number(),
    )

    def terms(self, before: LinkTerms) -> LinkTerms:
        """What the form says, over what it does not show. Raises InputError `terms_invalid`."""
        data = self.cleaned_data
        shown = {name: data[name] for name in TERMS}
        shown["max_symbol_lots"] = shown["max_symbol_lots"] or {}
        kept = {
            name: getattr(before, name) for name in LinkTerms.__struct_fields__ if name not in TERMS
        }
        return check_terms(LinkTerms(**kept, **shown))

    def command(self, desk: Desk, account_id: int, before: LinkTerms) -> SetLinkTerms:
        return SetLinkTerms(
            command_id=self.cleaned_data["command_id"],
            account_id=account_id,
            terms=self.terms(before),
            placed_by=str(desk.user.public_id),
        )


TERMS = (
    "parameter",
    "lots",
    "max_order_lots",
    "max_open_lots",
    "max_symbol_lots",
    "symbols",
    "max_leverage",
)


class StatusForm(CodedForm):
    """Whether a link takes part."""

    status = forms.ChoiceField(
        label=_("Takes part"),
        choices=[
            ("active", _("Yes")),
            ("close_only", _("In closing only")),
            ("paused", _("Paused")),
        ],
        widget=forms.RadioSelect,
    )

    def command(self, desk: Desk, account_id: int) -> SetLinkStatus:
        return SetLinkStatus(
            command_id=self.cleaned_data["command_id"],
            account_id=account_id,
            status=self.cleaned_data["status"],
            placed_by=str(desk.user.public_id),
        )


class RuleForm(TermsForm):
    """The rule of orders that bring none, and the terms of links that have none of their own."""

    method = forms.ChoiceField(label=_("Method"), choices=METHODS)
    residual_policy = forms.ChoiceField(
        label=_("What rounding leaves goes"),
        choices=[
            (Residual.LARGEST_REMAINDER, _("to the largest remainders")),
            (Residual.LARGEST_WEIGHT_FIRST, _("to the largest accounts first")),
            (Residual.ROUND_ROBIN, _("round robin")),
        ],
    )
    below_min = forms.ChoiceField(
        label=_("A share below the minimum is"),
        choices=[
            (BelowMin.SKIP, _("left out")),
            (BelowMin.SKIP_REDISTRIBUTE, _("left out and given to the others")),
            (BelowMin.BUMP_TO_MIN, _("raised to the minimum")),
        ],
    )
    cap_policy = forms.ChoiceField(
        label=_("What a cap cuts off is"),
        choices=[
            (CapPolicy.CLIP, _("not sent")),
            (CapPolicy.CLIP_REDISTRIBUTE, _("given to the others")),
        ],
    )
    rounding = forms.ChoiceField(
        label=_("Lots are rounded"),
        choices=[(Rounding.DOWN, _("down")), (Rounding.NEAREST_HALF_UP, _("to the nearest"))],
    )
    manual_policy = forms.ChoiceField(
        label=_("Lots set by hand"),
        choices=[
            (ManualPolicy.REPLACE, _("replace an account's share")),
            (ManualPolicy.WITHIN_BLOCK, _("stay within the block's volume")),
        ],
    )
    carry_forward = forms.BooleanField(
        label=_("Carry what rounding kept back into the next block"), required=False
    )

    def rule_command(self, desk: Desk, before: Rule, defaults: LinkTerms) -> SetRule:
        """Options that the form does not show stay as they are in `before`."""
        told = {name: self.cleaned_data[name] for name in OPTIONS}
        kept = before.as_dict() if before.residual_policy == told["residual_policy"] else {}
        return SetRule(
            command_id=self.cleaned_data["command_id"],
            rule=Rule.from_dict({**kept, "custom": "", **told}),
            defaults=self.terms(defaults),
            placed_by=str(desk.user.public_id),
        )


OPTIONS = (
    "method",
    "residual_policy",
    "below_min",
    "cap_policy",
    "rounding",
    "manual_policy",
    "carry_forward",
)


def initial_of(terms: LinkTerms) -> dict[str, Any]:
    """The form's fields as the link stands."""
    return {name: getattr(terms, name) for name in TERMS}
