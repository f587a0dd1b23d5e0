"""The form of a fee plan: per cent on the page, ratios in the terms."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from apps.billing.services.plans import NewPlan
from apps.core.fees.terms import FeeTerms, terms_from

HUNDRED = Decimal(100)
_EVERY = [
    ("day", _("daily")),
    ("week", _("weekly")),
    ("month", _("monthly")),
    ("quarter", _("quarterly")),
]


def _percent(label: Any, **options: Any) -> forms.DecimalField:
    options.setdefault("required", False)
    return forms.DecimalField(
        label=label, min_value=Decimal(0), max_value=HUNDRED, max_digits=7, decimal_places=4,
        **options,
    )  # fmt: skip


def _amount(label: Any, **options: Any) -> forms.DecimalField:
    return forms.DecimalField(
        label=label, min_value=Decimal(0), max_digits=14, decimal_places=4, required=False,
        **options,
    )  # fmt: skip


def _choice(label: Any, choices: list[tuple[str, Any]]) -> forms.ChoiceField:
    return forms.ChoiceField(label=label, choices=choices, required=False)


class PlanForm(forms.Form):
    """A whole plan. A fee whose first field is empty is not charged."""

    effective_from = forms.DateField(
        label=_("In force from"),
        help_text=_("For windows that begin on this day or later. Nothing that runs changes."),
        widget=forms.DateInput(attrs={"type": "date"}),
    )
    currency = forms.RegexField(
        r"^[A-Z]{3}$", label=_("Currency of amounts"), initial="USD", required=False
    )
    rate = _percent(_("Performance fee, % of the gain above the mark"))
    every = _choice(_("Performance fee charged"), _EVERY)
    hwm_basis = _choice(
        _("High-water mark after a fee"),
        [("net", _("equity after the fee")), ("gross", _("equity before the fee"))],
    )
    base = _choice(
        _("Result that counts"),
        [
            ("equity", _("realised and open")),
            ("realised", _("realised")),
            ("realised_with_floating_loss", _("realised and open losses")),
        ],
    )
    withdrawal_rule = _choice(
        _("A withdrawal lowers the mark"),
        [("proportional", _("in proportion")), ("amount", _("by its amount"))],
    )
    crystallise = _choice(
        _("At a withdrawal the fee is taken on"),
        [("full", _("the whole gain")), ("share", _("the withdrawn share"))],
    )
    hurdle_kind = _choice(
        _("Hurdle"),
        [
            ("none", _("none")),
            ("hard", _("hard: only what is above it")),
            ("soft", _("soft: everything once it is reached")),
            ("investor_floor", _("floor: the investor keeps it")),
        ],
    )
    hurdle = _percent(_("Hurdle, % a year"))
    lookback_periods = forms.IntegerField(
        label=_("Losses count for so many periods"),
        help_text=_("Empty: for ever."),
        min_value=1,
        max_value=120,
        required=False,
    )
    net_of_management = _choice(
        _("Performance fee computed"),
        [("net", _("after the management fee")), ("independent", _("independently of it"))],
    )
    tiers = forms.CharField(
        label=_("Tiers of the performance fee"),
        help_text=_("Equity: per cent, such as 100000: 18; 500000: 15"),
        required=False,
        max_length=300,
    )
    management = _percent(_("Management fee, % a year"))
    management_every = _choice(_("Management fee charged"), [_EVERY[2], _EVERY[3], *_EVERY[:2]])
    day_count = _choice(
        _("Days counted"),
        [(name, name) for name in ("ACT/365", "ACT/360", "30/360", "business/252")],
    )
    management_base = _choice(
        _("Management fee on"),
        [
            ("daily", _("the equity of every day")),
            ("opening", _("the opening equity")),
            ("closing", _("the closing equity")),
        ],
    )
    management_tiers = forms.CharField(
        label=_("Tiers of the management fee"), required=False, max_length=300
    )
    volume = _amount(_("Volume commission, amount"))
    unit = _choice(_("for each"), [("lot", _("lot")), ("million_usd", _("million USD"))])
    sides = _choice(_("counted"), [("round_turn", _("per round turn")), ("side", _("per side"))])
    payer = _choice(
        _("paid by"), [("investor", _("the investor")), ("broker", _("the broker, a rebate"))]
    )
    joining = _amount(_("Joining fee, amount"))
    joining_rate = _percent(_("Joining fee, % of the opening equity"))
    exit_days = forms.IntegerField(
        label=_("Early-exit fee within days"), min_value=1, max_value=3660, required=False
    )
    exit_amount = _amount(_("Early-exit fee, amount"))
    exit_rate = _percent(_("Early-exit fee, % of the equity"))
    minimum = _amount(_("Minimum a month"))
    manager_share = _percent(
        _("Manager's share, % of the fees"),
        help_text=_("The broker keeps the rest."),
        required=True,
    )
    ib_levels = forms.CharField(
        label=_("Introducers' shares, %"),
        help_text=_("One for each level, the nearest first, such as 10, 5"),
        required=False,
        max_length=80,
    )
    mode = _choice(
        _("Shares are"), [("flat", _("of the whole fee")), ("cascade", _("of what is left"))]
    )
    note = forms.CharField(label=_("Why"), max_length=200, required=False)

    def clean_ib_levels(self) -> list[str]:
        text = self.cleaned_data["ib_levels"].replace(";", ",")
        return [_ratio(part) for part in text.split(",") if part.strip()]

    def clean_tiers(self) -> list[dict[str, str]]:
        return _tiers(self.cleaned_data["tiers"])

    def clean_management_tiers(self) -> list[dict[str, str]]:
        return _tiers(self.cleaned_data["management_tiers"])

    def new_plan(self) -> NewPlan:
        """Raises InputError as the terms do."""
        return NewPlan(terms_from(self._terms()), self.cleaned_data["effective_from"])

    def _terms(self) -> dict[str, Any]:
        said = self.cleaned_data
        terms: dict[str, Any] = {
            "currency": said["currency"] or "USD",
            "split": {
                "manager": _over(said["manager_share"]),
                "ib_levels": said["ib_levels"],
                "mode": said["mode"] or "flat",
            },
            "minimum": str(said["minimum"] or 0),
        }
        if said["rate"] is not None:
            terms["performance"] = _performance(said)
        if said["management"] is not None:
            terms["management"] = _filled(
                rate=_over(said["management"]),
                every=said["management_every"],
                day_count=said["day_count"],
                base=said["management_base"],
                tiers=said["management_tiers"],
            )
        if said["volume"] is not None:
            terms["volume"] = _filled(
                amount=str(said["volume"]),
                unit=said["unit"],
                sides=said["sides"],
                payer=said["payer"],
            )
        if said["joining"] is not None or said["joining_rate"] is not None:
            terms["joining"] = _once(said["joining"], said["joining_rate"])
        if said["exit_days"] is not None:
            once = _once(said["exit_amount"], said["exit_rate"])
            terms["exit"] = {"days": said["exit_days"], **once}
        return terms


def initial_of(fees: FeeTerms) -> dict[str, Any]:
    """The form's fields from a plan, to start a change with."""
    made: dict[str, Any] = {
        "currency": fees.currency,
        "manager_share": _times(fees.split.manager),
        "ib_levels": ", ".join(str(_times(part)) for part in fees.split.ib_levels),
        "mode": fees.split.mode,
        "minimum": fees.minimum or None,
    }
    if plan := fees.performance:
        made |= {
            "rate": _times(plan.rate), "every": plan.every, "hwm_basis": plan.hwm_basis,
            "base": plan.base, "withdrawal_rule": plan.withdrawal_rule,
            "crystallise": "full" if plan.full_crystallisation else "share",
            "hurdle_kind": plan.hurdle_kind, "hurdle": _times(plan.hurdle) or None,
            "lookback_periods": plan.lookback_periods,
            "net_of_management": "net" if plan.net_of_management else "independent",
            "tiers": "; ".join(f"{t.from_amount}: {_times(t.rate)}" for t in plan.tiers),
        }  # fmt: skip
    if accrued := fees.management:
        made |= {
            "management": _times(accrued.rate), "management_every": accrued.every,
            "day_count": accrued.day_count, "management_base": accrued.base,
            "management_tiers": "; ".join(
                f"{t.from_amount}: {_times(t.rate)}" for t in accrued.tiers
            ),
        }  # fmt: skip
    if traded := fees.volume:
        made |= {
            "volume": traded.amount, "unit": traded.unit, "sides": traded.sides,
            "payer": traded.payer,
        }  # fmt: skip
    if fees.joining:
        made |= {"joining": fees.joining.amount, "joining_rate": _times(fees.joining.rate)}
    if fees.exit:
        made |= {
            "exit_days": fees.exit.days,
            "exit_amount": fees.exit.amount,
            "exit_rate": _times(fees.exit.rate),
        }
    return made


def _performance(said: dict[str, Any]) -> dict[str, Any]:
    return _filled(
        rate=_over(said["rate"]),
        every=said["every"],
        hwm_basis=said["hwm_basis"],
        base=said["base"],
        withdrawal_rule=said["withdrawal_rule"],
        full_crystallisation=said["crystallise"] != "share",
        hurdle_kind=said["hurdle_kind"],
        hurdle=_over(said["hurdle"] or Decimal(0)),
        lookback_periods=said["lookback_periods"],
        net_of_management=said["net_of_management"] != "independent",
        tiers=said["tiers"],
    )


def _filled(**values: Any) -> dict[str, Any]:
    """Without what was left empty: the default holds."""
    return {name: value for name, value in values.items() if value not in ("", None)}


def _once(amount: Decimal | None, rate: Decimal | None) -> dict[str, str]:
    return {"amount": str(amount or 0), "rate": _over(rate or Decimal(0))}


def _tiers(text: str) -> list[dict[str, str]]:
    made = []
    for part in text.split(";"):
        if not part.strip():
            continue
        amount, found, rate = part.partition(":")
        if not found:
            raise ValidationError(_("Write each tier as equity: per cent."), "tier")
        made.append({"from_amount": str(_decimal(amount)), "rate": _ratio(rate)})
    return made


def _ratio(text: str) -> str:
    return _over(_decimal(text))


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text.strip())
    except InvalidOperation:
        raise ValidationError(_("%(text)s is no number."), "number", {"text": text}) from None


def _over(percent: Decimal) -> str:
    return f"{percent / HUNDRED:f}"


def _times(ratio: Decimal) -> Decimal:
    value = (ratio * HUNDRED).normalize()
    return value.quantize(Decimal(1)) if value == value.to_integral() else value
