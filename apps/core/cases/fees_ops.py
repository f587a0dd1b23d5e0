"""Ops of fees: paths of a link or a fund, hurdles, flows, day counts, splits, collection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.core.cases.case import PRIMARY, Case, Outputs, date_of, number, numbers
from apps.core.errors import InputError
from apps.core.fees import hwm as marks
from apps.core.fees.account import FeeAccount, PerformancePlan
from apps.core.fees.collection import collect
from apps.core.fees.hwm import HwmBasis, WithdrawalRule
from apps.core.fees.management import (
    DayCount,
    EquityBase,
    days_30_360,
    flat_fee,
    management_fee,
)
from apps.core.fees.performance import (
    Base,
    Hurdle,
    chargeable_gains,
    fee_on_gain,
    hurdle_amount,
    result_total,
)
from apps.core.fees.sharing import Sharing, share
from apps.core.money import ZERO, round_half_even, round_money

UNROUNDED = 12  # digits: a fund in millions has no cents to round to


def plan_of(case: Case, rate: Fraction, digits: int) -> PerformancePlan:
    """The performance plan a case describes."""
    hurdle = case.number("hurdle", "hurdle_rate", default="0")
    kind = case.first("hurdle_kind", "hurdle_type", "hurdle_mode")
    if kind is None:
        kind = Hurdle.HARD if hurdle else Hurdle.NONE
    return PerformancePlan(
        rate=_decimal(rate),
        basis=HwmBasis(case.get("hwm_basis", "net")),
        withdrawal_rule=WithdrawalRule(case.get("withdrawal_rule", "proportional")),
        hurdle_kind=Hurdle(kind),
        hurdle=_decimal(hurdle),
        net_of_management=case.flag("perf_net_of_mgmt", default=True),
        digits=digits,
    )


def _decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _shown(value: Fraction, case: Case) -> Decimal:
    return round_money(value, case.money_digits)


def perf_fee_path_op(case: Case) -> Outputs:
    """Period after period: given results, or equities before the fee, or a list of events."""
    rate = case.number("rate", "perf", "perf_rate")
    start = case.number("initial")
    account = FeeAccount.opened(plan_of(case, rate, case.money_digits), start)
    if "hwm" in case:
        account = replace(account, hwm=case.number("hwm"))
    if "events" in case:
        return _events(case, account)
    days = int(case.get("period_days", 0))
    results = case.first("monthly_pnl", "pnl", "period_pnl")
    equities = case.first("month_end_equity_before_fee", "equity_before_fee")
    if results is None and equities is None:
        raise InputError("missing_input", "the case has neither results nor equities")
    charges = []
    for value in results if results is not None else equities:
        result = number(value) if results is not None else number(value) - account.equity
        account, charge = account.traded(result, days).crystallised()
        charges.append(charge)
    outputs: Outputs = {
        "fee": [charge.performance for charge in charges],
        "equity_after": [_shown(charge.equity, case) for charge in charges],
        "hwm_after": [_shown(charge.hwm, case) for charge in charges],
        "total_fee": sum((charge.performance for charge in charges), Decimal(0)),
    }
    return {**outputs, PRIMARY: outputs["fee"]}


def _events(case: Case, account: FeeAccount) -> Outputs:
    """A row [fee or what happened, equity, H] for each crystallisation and withdrawal."""
    rows: list[list[Any]] = []
    for kind, value, *_ in case.inputs["events"]:
        fee: Any = None
        match kind:
            case "pnl":
                account = account.traded(number(value))
            case "days":
                account = account.traded(0, int(value))
            case "dep" | "deposit":
                account = account.deposited(number(value))
            case "wd" | "withdrawal":
                account, _ = account.withdrawn(number(value), crystallise=False)
                fee = "withdrawal"
            case "crys" | "crystallise":
                account, charge = account.crystallised()
                fee = charge.performance
            case "mgmt":
                account = account.traded(-number(value))
            case "detach":
                account, charge = account.detached(number(value))
                fee = charge.performance
            case "reattach":
                account = account.reattached(number(value))
            case "nb_credit":
                account = account.forgiven()
            case _:
                raise InputError("unknown_event", f"the case's event {kind!r} is unknown")
        if fee is not None:
            rows.append([fee, _shown(account.equity, case), _shown(account.hwm, case)])
    fees = [row[0] for row in rows if row[0] != "withdrawal"]
    return {
        PRIMARY: rows,
        "rows": rows,
        "columns": ["fee", "equity", "hwm"],
        "fee": fees,
        "total_fee": sum(fees, Decimal(0)),
        "final_equity": _shown(account.equity, case),
        "final_hwm": _shown(account.hwm, case),
    }


def fund_fee_path_op(case: Case) -> Outputs:
    """A fund's years, unrounded; and the yearly return where every fee is rounded to cents."""
    outputs = _fund(case, int(case.get("digits", UNROUNDED)))
    for match in case.matching(r"public_rounded_(year\d+_pct)"):
        outputs[match[0]] = _fund(case, case.money_digits)[f"net_return_{match[1]}"]
    return {**outputs, PRIMARY: outputs["nav_after"]}


def _fund(case: Case, digits: int) -> Outputs:
    """Management on the beginning or ending value, then performance."""
    plan = plan_of(case, case.number("perf"), digits)
    account = FeeAccount.opened(plan, case.number("nav0"))
    returns, values = case.get("gross_return"), case.first("year_end_value", "end_value")
    navs, charges = [account.equity], []
    for index in range(len(returns if returns is not None else values)):
        begin = account.equity
        end = begin * (1 + number(returns[index])) if returns is not None else number(values[index])
        base = end if case.get("mgmt_base", "beginning") == "ending" else begin
        account = account.traded(end - begin)
        account, charge = account.crystallised(max(base, ZERO) * case.number("mgmt"))
        charges.append(charge)
        navs.append(account.equity)
    outputs: Outputs = {
        "mgmt": [charge.management for charge in charges],
        "perf": [charge.performance for charge in charges],
        "nav_after": navs[1:],
        "hwm": [charge.hwm for charge in charges],
    }
    for year in range(1, len(navs)):
        net = (navs[year] / navs[year - 1] - 1) * 100
        outputs[f"net_return_year{year}_pct"] = net
    return outputs


def hurdle_op(case: Case) -> Outputs:
    outputs: Outputs = {str(kind): [] for kind in Hurdle}
    for row in case.rows():
        days = row.get("days")
        base, annual = row.number("base", "hwm"), row.number("hurdle", default="0")
        least = hurdle_amount(base, annual, None if days is None else int(days))
        for kind in Hurdle:
            fee = fee_on_gain(row.number("gain"), row.number("rate"), kind, least)
            outputs[str(kind)].append(round_money(fee, row.money_digits))
    outputs["floor"] = outputs["investor_floor"]
    chosen = str(case.first("hurdle_kind", "hurdle_type", "kind", default="hard"))
    return {**outputs, PRIMARY: outputs.get(chosen), "fee": outputs.get(chosen)}


def hwm_flow_op(case: Case) -> Outputs:
    """H and equity after a deposit or a withdrawal."""
    mark, equity = case.number("hwm"), case.number("equity_before", "equity")
    if "deposit" in case:
        mark = marks.after_deposit(mark, case.number("deposit"))
        equity += case.number("deposit")
    if "withdrawal" in case:
        rule = WithdrawalRule(case.get("withdrawal_rule", "proportional"))
        mark = marks.after_withdrawal(mark, equity, case.number("withdrawal"), rule)
        equity -= case.number("withdrawal")
    outputs: Outputs = {
        "hwm": mark,
        "equity": equity,
        "loss_to_recover": marks.loss_to_recover(mark, equity),
    }
    return {**outputs, PRIMARY: mark}


def loss_carry_op(case: Case) -> Outputs:
    results = numbers(case.inputs["pnl"])
    lookback = case.get("lookback_periods")
    gains = chargeable_gains(results, None if lookback is None else int(lookback))
    outputs: Outputs = {
        PRIMARY: gains,
        "chargeable_gain": gains,
        "with_perpetual_hwm": chargeable_gains(results),
    }
    if "rate" in case:
        outputs["fee"] = [_shown(gain * case.number("rate"), case) for gain in gains]
    return outputs


def mgmt_fee_op(case: Case) -> Outputs:
    """Rows each with its convention; or one run of daily equities under every convention."""
    if "rows" in case:
        fees = [_mgmt_row(row) for row in case.rows()]
        return {PRIMARY: fees, "fee": fees}
    runs = [(number(equity), int(days)) for equity, days in case.inputs["daily_equity"]]
    outputs: Outputs = {}
    for convention in DayCount:
        for base in EquityBase:
            days = _counted(case, convention, sum(count for _, count in runs))
            fee = management_fee(
                runs,
                case.number("annual", "rate"),
                convention=convention,
                base=base,
                period_days=days,
                digits=case.money_digits,
            )
            name = f"{convention} {base} equity"
            outputs[name] = outputs[f"{name} (default)"] = fee
    chosen = f"{case.get('convention', 'ACT/365')} {case.get('base', 'daily')} equity"
    return {**outputs, PRIMARY: outputs.get(chosen), "fee": outputs.get(chosen)}


def _mgmt_row(case: Case) -> Decimal:
    convention = DayCount(case.get("convention", "ACT/365"))
    days = _counted(case, convention, int(case.get("days", 0)))
    days = int(case.get("days", 0)) if days is None else days
    if "flat_annual" in case:
        return flat_fee(case.number("flat_annual"), days, convention, case.money_digits)
    return management_fee(
        [(case.number("nav", "equity"), max(days, 1))],
        case.number("annual", "rate"),
        convention=convention,
        period_days=days,
        digits=case.money_digits,
    )


def _counted(case: Case, convention: DayCount, actual: int) -> int | None:
    """The days the convention counts, where the calendar does not say."""
    start, end = case.first("start", "from", "attach"), case.first("end", "to", "detach")
    if convention is DayCount.THIRTY_360:
        if start is not None and end is not None:
            return days_30_360(date_of(start), date_of(end))
        if "months" in case:
            return 30 * int(case.get("months"))
        # Runs of a calendar month or more are whole months.
        return round(actual * 12 / 365) * 30 if actual >= 28 else actual
    if convention is DayCount.BUSINESS_252 and "business_days" in case:
        return int(case.get("business_days"))
    if start is not None and end is not None:
        return (date_of(end) - date_of(start)).days
    return None


def split_op(case: Case) -> Outputs:
    parts = [
        share(
            _decimal(row.number("amount")),
            numbers(row.first("pct", "percent", "shares")),
            Sharing(row.first("mode", "split_mode", "sharing", default="flat")),
            row.money_digits,
        )
        for row in case.rows()
    ]
    answer: Sequence[Any] = parts if "rows" in case else parts[0]
    return {PRIMARY: answer, "parts": answer}


def perf_fee_base_op(case: Case) -> Outputs:
    """The fee on each base; and on equity with the trade fees already paid as a loss."""
    rate = case.number("rate")
    outputs: Outputs = {str(base): [] for base in Base} | {"equity_trade_fee_as_loss": []}
    for row in case.rows():
        amounts = row.number("realised", default="0"), row.number("floating", default="0")
        previous = row.number("previous_total", default="0")
        paid = row.number("trade_fee_paid", default="0")
        for base in Base:
            gain = result_total(*amounts, base) - previous
            outputs[str(base)].append(_shown(fee_on_gain(gain, rate), case))
        gain = result_total(*amounts, Base.EQUITY, paid) - previous
        outputs["equity_trade_fee_as_loss"].append(_shown(fee_on_gain(gain, rate), case))
    chosen = str(case.get("base", "equity"))
    return {**outputs, PRIMARY: outputs[chosen], "fee": outputs[chosen]}


def detach_op(case: Case) -> Outputs:
    """Management accrued to the day, performance net of it, what is paid out, H kept."""
    plan = plan_of(case, case.number("perf"), case.money_digits)
    base, _, convention = str(case.get("mgmt_base", "opening equity ACT/365")).rpartition(" ")
    counted = {"opening equity": EquityBase.OPENING, "closing equity": EquityBase.CLOSING}
    initial, equity = case.number("initial"), case.number("equity_at_detach")
    days = int(case.get("days"))
    runs = case.get("daily_equity") or [(initial, days)]
    if counted.get(base) is EquityBase.CLOSING:
        runs = [(equity, days)]
    management = management_fee(
        [(number(value), int(count)) for value, count in runs],
        case.number("annual_mgmt", "mgmt"),
        convention=DayCount(convention),
        base=counted.get(base, EquityBase.DAILY),
        period_days=_counted(case, DayCount(convention), days),
        digits=case.money_digits,
    )
    account = FeeAccount(plan, equity, case.number("hwm", default=str(initial)), days)
    left, charge = account.detached(management)
    independent = FeeAccount(
        replace(plan, net_of_management=False), account.equity, account.hwm, days
    )
    outputs: Outputs = {
        "mgmt": charge.management,
        "perf": charge.performance,
        "paid_out": _shown(left.equity, case),
        "hwm_kept_for_reattach": _shown(left.hwm, case),
        "perf_if_independent_of_mgmt": independent.detached(management)[1].performance,
    }
    return {**outputs, PRIMARY: outputs}


def fee_collection_op(case: Case) -> Outputs:
    due = case.number("fee_due") + case.number("receivable_before", "receivable", default="0")
    equity = case.number("equity")
    taken = collect(
        due,
        case.number("balance"),
        equity,
        case.number("used_margin", default="0"),
        case.number("min_margin_level_pct", default="100"),
        case.money_digits,
    )
    outputs: Outputs = {
        "collected": taken.collected,
        "receivable": taken.receivable,
        "equity_after": taken.equity_after,
        "balance_after": round_money(case.number("balance"), case.money_digits) - taken.collected,
        # The mark is set by what was earned, whether or not it could be taken at once.
        "hwm_uses": "equity minus full fee",
        "hwm_after": _shown(equity - due, case),
    }
    return {**outputs, PRIMARY: taken.collected}


def rounding_op(case: Case) -> Outputs:
    digits = int(case.get("digits", case.money_digits))
    values = numbers(case.inputs["values"])
    half_up = [round_money(value, digits) for value in values]
    half_even = [round_half_even(value, digits) for value in values]
    chosen = half_even if case.get("mode") == "half_even" else half_up
    return {PRIMARY: chosen, "half_up": half_up, "half_even": half_even}


OPS: dict[str, Callable[[Case], Outputs]] = {
    "perf_fee_path": perf_fee_path_op,
    "fund_fee_path": fund_fee_path_op,
    "hurdle": hurdle_op,
    "hwm_flow": hwm_flow_op,
    "loss_carry_forward": loss_carry_op,
    "mgmt_fee": mgmt_fee_op,
    "split": split_op,
    "perf_fee_base": perf_fee_base_op,
    "detach": detach_op,
    "fee_collection": fee_collection_op,
    "rounding": rounding_op,
}
