"""Ops of the derived methods and of the margin cap: each row is a block of its own account."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.core.allocation import (
    NO_CAP,
    AllocationRequest,
    BelowMin,
    Method,
    Rounding,
    Rule,
    allocate,
)
from apps.core.allocation.caps import margin_room
from apps.core.cases.case import PRIMARY, Case, Outputs, as_integers, number
from apps.core.ints import int64
from apps.core.lots import lots_of, steps_down
from apps.core.margin import cfd_margin, forex_margin, margin_level
from apps.core.money import round_money

BELOW_MIN_NAMES = {
    "redistribute": "skip_redistribute",
    "clamp_to_min": "bump_to_min",
    "raise_to_min": "bump_to_min",
    "raise": "bump_to_min",
}
ROUNDING_NAMES = {"nearest": "nearest_half_up", "half_up": "nearest_half_up", "floor": "down"}
SKIPPED = "skip"


def rounding_of(case: Case) -> Rounding:
    name = str(case.get("rounding", "down"))
    return Rounding(ROUNDING_NAMES.get(name, name))


def _rule(case: Case, method: Method) -> Rule:
    below = str(case.first("below_min", "below_min_policy", default="skip"))
    return Rule(
        method=method,
        rounding=rounding_of(case),
        below_min=BelowMin(BELOW_MIN_NAMES.get(below, below)),
    )


def _steps(case: Case, method: Method, **own: Any) -> int:
    """One account's steps under the case's options, minimum and cap."""
    step = case.number("step", default="0.01")
    cap = case.first("cap_lots", "max_lots", "cap")
    request = AllocationRequest(
        rule=_rule(case, method),
        account_ids=int64([1]),
        min_steps=max(1, -steps_down(-case.number("min_lot", default=step), step)),
        cap_steps=int64([NO_CAP if cap is None else steps_down(number(cap), step)]),
        **{"volume_steps": 0, **own},
    )
    return int(allocate(request).steps[0])


def independent_op(case: Case) -> Outputs:
    """Lots of a ratio: master lots × ratio, or × investor/master × ratio. A skip says so."""
    step = Decimal(str(case.get("step", "0.01")))
    answers: list[Any] = []
    for row in case.rows():
        # The whole multiplier in one exact number: the master's lots need not be whole steps.
        multiplier = row.number("master_lots", "volume") / Fraction(step)
        multiplier *= row.number("ratio", "multiplier", default="1")
        own: dict[str, Any] = {}
        method = Method.RATIO
        if row.first("investor", "investor_equity", "investor_balance") is not None:
            method = Method.RATIO_EQUITY
            money, _ = as_integers(
                [
                    row.number("investor", "investor_equity", "investor_balance"),
                    row.number("master", "master_equity", "master_balance"),
                ]
            )
            own = {"equity": money[:1], "master_money": int(money[1])}
        steps = _steps(
            row,
            method,
            volume_steps=1,
            parameter=int64([multiplier.numerator]),
            parameter_scale=multiplier.denominator,
            **own,
        )
        answers.append(lots_of(steps, step) if steps else SKIPPED)
    traded = [answer for answer in answers if answer != SKIPPED]
    return {PRIMARY: answers, "lots": answers, "block": sum(traded, Decimal(0) * step)}


def margin_cap_op(case: Case) -> Outputs:
    """The largest volume after which the margin level is still at or above the least allowed."""
    step = case.number("step", default="0.01")
    per_lot = _margin_per_lot(case)
    used = case.number("used_margin", default="0")
    level = case.number("min_margin_level_pct")
    amounts, _ = as_integers([case.number("equity"), used, per_lot * step])
    steps = int(margin_room(amounts[:1], amounts[1:2], int(amounts[2]), level)[0])
    lots = steps * step
    requested = case.first("requested", "requested_lots", "volume")
    if requested is not None:
        lots = min(lots, steps_down(number(requested), step) * step)
    return {
        PRIMARY: lots,
        "margin_per_lot": round_money(per_lot, case.money_digits),
        "max_lots_raw": max((case.number("equity") * 100 / level - used) / per_lot, Fraction(0)),
        "max_lots": lots,
        "allowed": lots,
        "post_trade_margin_level_pct": margin_level(case.number("equity"), used + lots * per_lot),
    }


def _margin_per_lot(case: Case) -> Fraction:
    """Margin of one lot: given outright, by the FX formula, or by the CFD one."""
    if "margin_per_lot" in case:
        return case.number("margin_per_lot")
    contract, leverage = case.number("contract"), case.number("leverage")
    if "base_to_account" in case:
        return forex_margin(1, contract, leverage, case.number("base_to_account"))
    rate = case.number("quote_to_account", default="1")
    return cfd_margin(1, contract, case.number("price"), leverage, rate)


def equity_percent_op(case: Case) -> Outputs:
    """The four conventions: margin (default), notional, basis, weighted_share."""
    outputs: Outputs = {}
    if "rows" in case:
        step = Decimal(str(case.get("step", "0.01")))
        steps = [_equity_percent(row, str(row.get("convention", "margin"))) for row in case.rows()]
        lots = [lots_of(value, step) for value in steps]
        outputs |= {PRIMARY: lots, "lots": lots}
    public = case.get("public_example")
    if public is not None:
        outputs["public_lots_margin_convention"] = _public(case.row(public), public)
    if "derived_example" in case:
        outputs["derived"] = _derived(case)
        outputs[PRIMARY] = outputs["derived"]
    return outputs


def _public(case: Case, example: Mapping[str, Any]) -> Decimal:
    """Margin given for a number of lots: margin_for_30_lots."""
    for key, margin in example.items():
        match = re.fullmatch(r"margin_for_([\d.]+)_lots?", key)
        if match:
            case = case.row({"margin_per_lot": str(number(margin) / number(match[1]))})
    step = Decimal(str(case.get("step", "0.01")))
    return lots_of(_equity_percent(case, "margin"), step)


def _cost_per_step(case: Case, convention: str) -> Fraction:
    """Money one step takes: its margin, its notional, or the basis of the 'basis' convention."""
    step = case.number("step", default="0.01")
    if convention == "basis":
        return case.number("basis") * step
    if convention == "notional":
        rate = case.number("quote_to_account", default="1")
        return case.number("contract") * case.number("price") * rate * step
    return _margin_per_lot(case) * step


def _equity_percent(case: Case, convention: str) -> int:
    money, scale = as_integers([case.number("equity", "funds")])
    percent, percent_scale = as_integers([case.number("percent", "pct")])
    cost = _cost_per_step(case, convention) * scale
    return _steps(
        case,
        Method.EQUITY_PERCENT,
        equity=money,
        parameter=percent,
        parameter_scale=percent_scale,
        unit_cost=cost.numerator,
        unit_cost_scale=cost.denominator,
    )


def _derived(case: Case) -> Outputs:
    """The example's own account is A; the others follow by their ids."""
    example = case.inputs["derived_example"]
    accounts = [{"id": "A", **example}, *example.get("other_accounts", [])]
    shared = case.row(example)
    step = Decimal(str(case.get("step", "0.01")))
    names = [str(account["id"]) for account in accounts]
    convention = str(case.get("convention", "margin"))
    if convention == "weighted_share":
        steps = _weighted(shared, accounts)
    else:
        steps = [_equity_percent(shared.row(account), convention) for account in accounts]
    lots = [lots_of(value, step) for value in steps]
    return {**dict(zip(names, lots, strict=True)), "block": lots_of(sum(steps), step)}


def _weighted(case: Case, accounts: list[dict[str, Any]]) -> list[int]:
    equity, _ = as_integers([number(account["equity"]) for account in accounts])
    percent, scale = as_integers([number(account["percent"]) for account in accounts])
    step = case.number("step", default="0.01")
    request = AllocationRequest(
        rule=Rule(method=Method.EQUITY_PERCENT_SHARE, carry_forward=False),
        volume_steps=steps_down(case.number("master_volume", "volume"), step),
        account_ids=int64(range(1, len(accounts) + 1)),
        equity=equity,
        parameter=percent,
        parameter_scale=scale,
    )
    return [int(value) for value in allocate(request).steps]


def risk_percent_op(case: Case) -> Outputs:
    """Lots whose loss at the stop is the given share of equity; no stop is rejected."""
    units: list[Any] = []
    raw: list[Any] = []
    for row in case.rows():
        loss = _loss_per_unit(row)
        if not loss:
            units.append("rejected")
            raw.append(None)
            continue
        step = row.number("step", default="1")
        equity, scale = as_integers([row.number("equity")])
        percent, percent_scale = as_integers([row.number("risk_pct", "risk_percent", "percent")])
        cost = loss * step * scale
        steps = _steps(
            row.row({"step": str(step)}),
            Method.RISK_PERCENT,
            equity=equity,
            parameter=percent,
            parameter_scale=percent_scale,
            unit_cost=cost.numerator,
            unit_cost_scale=cost.denominator,
        )
        units.append(steps * step)
        money = row.number("equity") * row.number("risk_pct", "risk_percent", "percent") / 100
        raw.append(money / loss)
    return {PRIMARY: units, "units": units, "lots": units, "raw": raw}


def _loss_per_unit(case: Case) -> Fraction:
    """Loss of one unit (or lot) at the stop; 0 when there is no stop."""
    if "sl_pips" in case:
        return case.number("sl_pips") * case.number("pip_value_per_unit", "pip_value")
    stop = case.first("sl", "stop_loss", "stop")
    if stop is None:
        return Fraction(0)
    distance = abs(case.number("entry", "open", "price") - number(stop))
    return distance * case.number("contract") * case.number("quote_to_account", default="1")


OPS = {
    "allocate_independent": independent_op,
    "margin_cap": margin_cap_op,
    "equity_percent": equity_percent_op,
    "risk_percent": risk_percent_op,
}
