"""Ops of equity protection and exposure limits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from apps.core.cases.case import PRIMARY, Case, Outputs, number, numbers
from apps.core.exposure import Exposure, Limits, allowed
from apps.core.lots import lots_of, steps_of
from apps.core.money import Exact, round_money
from apps.core.protection import (
    DailyBase,
    Reference,
    daily_limit,
    drawdown_percent,
    end_of_day_limits,
    hard_stop_actions,
    stopped,
    trailing_amount,
    trailing_percent,
)

FIXED_STOP = ("stop", "fixed_stop", "stop_equity", "level")


def trailing_stop_op(case: Case) -> Outputs:
    """By percent and by amount of the highest equity; triggered by either."""
    reference = Reference.started(case.number("max_equity", "peak"))
    for flow in case.get("flows", []):
        reference = reference.flowed(number(flow))
    peak, equity = reference.peak, case.number("equity")
    outputs: Outputs = {"drawdown_pct": drawdown_percent(peak, equity)}
    levels: list[Exact] = []
    if "trail_pct" in case:
        levels.append(trailing_percent(peak, case.number("trail_pct"), case.money_digits))
        outputs["stop_pct"] = levels[-1]
    if "trail_amount" in case:
        levels.append(trailing_amount(peak, case.number("trail_amount"), case.money_digits))
        outputs["stop_amount"] = levels[-1]
    if case.first(*FIXED_STOP) is not None:
        levels.append(case.number(*FIXED_STOP))
    outputs["triggered"] = any(stopped(equity, level) for level in levels)
    return {**outputs, PRIMARY: outputs["triggered"]}


def eod_trailing_stop_op(case: Case) -> Outputs:
    if "max_loss_amount" in case:
        amount = case.number("max_loss_amount")
    else:
        amount = case.number("initial") * case.number("max_loss_pct") / 100
    limits = end_of_day_limits(
        case.number("initial"), amount, numbers(case.inputs["eod_balances"]), case.money_digits
    )
    return {PRIMARY: limits, "limit_by_day": limits}


_DAILY = {
    "daily_pct_of_initial": DailyBase.INITIAL,
    "daily_pct_of_start_balance": DailyBase.START_BALANCE,
    "daily_pct_of_start_equity": DailyBase.START_EQUITY,
    "daily_pct_of_higher": DailyBase.HIGHER,
    "daily_pct": DailyBase.INITIAL,
}


def daily_loss_op(case: Case) -> Outputs:
    """day1, day2, …: limit, equity, breach of each."""
    name = next((key for key in _DAILY if key in case), "daily_pct")
    base = DailyBase(case.first("base", "daily_base", default=_DAILY[name]))
    limits, equities, breaches = [], [], []
    for key in sorted((key for key in case.inputs if key.startswith("day") and key[3:].isdigit()),
                      key=lambda key: int(key[3:])):  # fmt: skip
        day = case.row(case.inputs[key])
        start = day.number("start_balance")
        flows = day.number("deposit", default="0") - day.number("withdrawal", default="0")
        opening = day.get("start_equity")
        limit = daily_limit(
            case.number(name),
            start,
            initial=case.number("initial", default=str(start)),
            start_equity=None if opening is None else number(opening),
            base=base,
            flows=flows,
            digits=case.money_digits,
        )
        closed, floating = (
            day.number("closed_pnl", default="0"),
            day.number("floating", default="0"),
        )
        equity = round_money(start + closed + floating + flows, case.money_digits)
        limits.append(limit)
        equities.append(equity)
        breaches.append(stopped(equity, limit))
    return {PRIMARY: limits, "limits": limits, "equity": equities, "breach": breaches}


def hard_stop_actions_op(case: Case) -> Outputs:
    """Nothing while equity is above the stop."""
    if not stopped(case.number("equity"), case.number("stop")):
        return {PRIMARY: [], "actions": [], "triggered": False}
    positions = [
        (str(position["id"]), number(position["pnl"])) for position in case.inputs["positions"]
    ]
    actions = hard_stop_actions([str(order) for order in case.get("pending", [])], positions)
    return {PRIMARY: actions, "actions": actions, "triggered": True}


def exposure_limits_op(case: Case) -> Outputs:
    """Allowed lots of each row and the limit that binds."""
    step = Decimal(str(case.get("step", "0.01")))
    volumes, binding = [], []
    limits: dict[str, Decimal] = {}
    for row in case.rows():
        symbols = row.first("whitelist", "symbols")
        answer = allowed(
            str(row.get("symbol", "")),
            steps_of(row.number("requested"), number(str(step))),
            number(str(step)),
            Limits(
                max_leverage=_optional(row, "max_leverage"),
                max_open_lots=_optional(row, "max_open_lots"),
                max_symbol_lots=_optional(row, "max_symbol_lots", "max_lots_per_symbol"),
                max_lots_per_trade=_optional(row, "max_lots_per_trade"),
                min_margin_level_percent=_optional(row, "min_margin_level_pct"),
                symbols=symbols,
            ),
            Exposure(
                equity=row.number("equity"),
                open_notional=row.number("open_notional_account", default="0"),
                open_lots=row.number("open_lots", default="0"),
                open_symbol_lots=row.number("open_symbol_lots", default="0"),
                used_margin=row.number("used_margin", default="0"),
            ),
            notional_per_lot=row.number("notional_per_lot_account", default="0"),
            margin_per_lot=row.number("margin_per_lot", "margin_per_lot_account", default="0"),
        )
        volumes.append(lots_of(answer.steps, step))
        binding.append(answer.binding or None)
        limits = {name: lots_of(steps, step) for name, steps in answer.limits.items()}
    return {PRIMARY: volumes, "allowed": volumes, "binding": binding, "limits": limits}


def _optional(case: Case, *keys: str) -> Exact | None:
    value = case.first(*keys)
    return None if value is None else number(value)


OPS: dict[str, Callable[[Case], Outputs]] = {
    "trailing_stop": trailing_stop_op,
    "eod_trailing_stop": eod_trailing_stop_op,
    "daily_loss": daily_loss_op,
    "hard_stop_actions": hard_stop_actions_op,
    "exposure_limits": exposure_limits_op,
}
