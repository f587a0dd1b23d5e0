"""Ops of metrics: Dietz, XIRR, money- and time-weighted, ratios, gain, trade statistics."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from fractions import Fraction
from typing import Any

from apps.core.cases.case import PRIMARY, Case, Outputs, number, numbers
from apps.core.errors import InputError
from apps.core.metrics import gain as gains
from apps.core.metrics import returns as rets
from apps.core.metrics.ratios import ratios
from apps.core.metrics.trades import trade_stats


def modified_dietz_op(case: Case) -> Outputs:
    weight = str(case.get("weight", "(CD-D)/CD")).replace(" ", "")
    answer = rets.modified_dietz(
        case.number("begin"),
        case.number("end"),
        int(case.get("days")),
        [(number(flow), int(day)) for flow, day in case.inputs["flows"]],
        flow_at_start_of_day="+1" in weight,
    )
    return {PRIMARY: answer.value, "denominator": answer.denominator, "return": answer.value}


def xirr_op(case: Case) -> Outputs:
    flows = [(date.fromisoformat(day), number(flow)) for day, flow in case.inputs["flows"]]
    rate = rets.xirr(flows)
    return {PRIMARY: rate, "xirr": rate}


def mwr_twr_op(case: Case) -> Outputs:
    outputs: Outputs = {}
    if "irr_flows" in case:
        outputs["mwr"] = rets.irr(numbers(case.inputs["irr_flows"]))
    if "holding_period_returns" in case:
        period_returns = numbers(case.inputs["holding_period_returns"])
        outputs["twr_per_period"] = rets.geometric_mean(period_returns)
        product = Fraction(1)
        for period_return in period_returns:
            product *= 1 + period_return
        outputs["twr"] = product - 1
    return outputs


def ratios_op(case: Case) -> Outputs:
    """Percent or plain returns; NaN and null are missing periods."""
    percents = case.get("returns_pct")
    values = percents if percents is not None else case.inputs["returns"]
    scale = 100 if percents is not None else 1
    series = [
        float("nan")
        if value is None or str(value).lower() == "nan"
        else float(number(value) / scale)
        for value in values
    ]
    yearly = int(case.get("periods_per_year", 252))
    free = case.number("risk_free_per_period", default="0") * yearly
    answer = ratios(series, yearly, float(case.number("risk_free", default="0") + free))
    outputs: Outputs = {
        "periods": answer.periods,
        "sharpe": answer.sharpe,
        "sortino": answer.sortino,
        "annual_volatility": answer.annual_volatility,
        "downside_risk": answer.downside_risk,
        "max_drawdown": answer.max_drawdown,
        "cum_return": answer.cumulative_return,
        "cagr": answer.cagr,
        "calmar": answer.calmar,
        f"cagr_{answer.periods}_obs": answer.cagr,
        f"calmar_{answer.periods}_obs": answer.calmar,
    }
    return {**outputs, PRIMARY: outputs}


def myfxbook_op(case: Case) -> Outputs:
    """gain_<case>_pct and abs_gain_<case>_pct of every case given."""
    outputs: Outputs = {}
    for name, told in case.inputs.items():
        if isinstance(told, dict) and "profit" in told:
            absolute = gains.absolute_gain(
                number(told["profit"]),
                number(told.get("deposits", 0)),
                number(told.get("withdrawals", 0)),
            )
            outputs[f"abs_gain_{name}_pct"] = None if absolute is None else absolute * 100
            continue
        events = list(_sequence(told["seq"]) if isinstance(told, dict) else _told(str(told)))
        outputs[f"gain_{name}_pct"] = gains.gain(events) * 100
        outputs[f"abs_gain_{name}_pct"] = _absolute(events)
    return outputs


def _sequence(steps: list[list[Any]]) -> Iterator[gains.Event]:
    kinds = {
        "deposit": gains.Happened.DEPOSIT,
        "withdraw": gains.Happened.WITHDRAWAL,
        "withdrawal": gains.Happened.WITHDRAWAL,
        "open": gains.Happened.OPEN,
        "close": gains.Happened.CLOSE,
        "trade": gains.Happened.CLOSE,
    }
    for kind, amount, *_ in ([*step, 0] if len(step) == 1 else step for step in steps):
        if kind not in kinds:
            raise InputError("unknown_event", f"the case's event {kind!r} is unknown")
        yield gains.Event(kinds[kind], number(amount))


def _told(text: str) -> Iterator[gains.Event]:
    """A sentence: "deposit 100, trade opened, withdraw 50 before the close, trade closed -20"."""
    for part in (piece.strip().lower() for piece in text.split(",")):
        amount = re.search(r"[+-]?\d+(?:\.\d+)?", part)
        value = number(amount[0]) if amount else Fraction(0)
        if part.startswith("deposit"):
            yield gains.Event(gains.Happened.DEPOSIT, value)
        elif part.startswith("withdraw"):
            yield gains.Event(gains.Happened.WITHDRAWAL, value)
        elif part.startswith("trade opened"):
            yield gains.Event(gains.Happened.OPEN)
        elif part.startswith(("trade closed", "trade")):
            yield gains.Event(gains.Happened.CLOSE, value)
        elif not part.startswith("floating"):
            raise InputError("unknown_event", f"the case says {part!r}")


def _absolute(events: list[gains.Event]) -> Fraction | None:
    sums = {
        kind: sum((number(event.amount) for event in events if event.kind is kind), Fraction(0))
        for kind in gains.Happened
    }
    value = gains.absolute_gain(
        sums[gains.Happened.CLOSE], sums[gains.Happened.DEPOSIT], sums[gains.Happened.WITHDRAWAL]
    )
    return None if value is None else value * 100


def trade_stats_op(case: Case) -> Outputs:
    stats = trade_stats(numbers(case.inputs["net_pnl"]))
    outputs: Outputs = {name: getattr(stats, name) for name in stats.__slots__}
    outputs["win_rate_all"] = stats.win_rate
    return {**outputs, PRIMARY: outputs}


def twr_mdd_op(case: Case) -> Outputs:
    """Linked sub-periods; drawdown on the index. The raw-equity drawdown is the trap."""
    pairs = [tuple(numbers(pair)) for pair in case.inputs["subperiods_start_end"]]
    periods = [rets.SubPeriod(start, end) for start, end in pairs]
    index = rets.index(periods)
    outputs: Outputs = {
        "twr": index[-1] - 1,
        "index": index,
        "max_drawdown_index": rets.max_drawdown(index),
    }
    outputs["max_drawdown_raw_equity_is_wrong"] = outputs["max_drawdown_index"]
    return {**outputs, PRIMARY: outputs}


def twr_fees_op(case: Case) -> Outputs:
    """begin; the first valuation's equity_before_fee, fee and flow; begin2 and end2."""
    first = rets.Valuation(
        case.number("equity_before_fee"),
        case.number("fee", default="0"),
        case.number("deposit_after", default="0") - case.number("withdrawal_after", default="0"),
    )
    points = [first]
    if "end2" in case:
        points.append(rets.Valuation(case.number("end2"), case.number("fee2", default="0")))
    begin = case.number("begin")
    second = number(first.equity) - number(first.fee) + number(first.flow)
    if "begin2" in case and case.number("begin2") != second:
        raise InputError("flows_disagree", "begin2 is not what fee and flow leave")
    return {
        "twr_net": rets.twr_net(begin, points),
        "twr_gross": rets.twr_gross(begin, points),
    }


OPS: dict[str, Callable[[Case], Outputs]] = {
    "modified_dietz": modified_dietz_op,
    "xirr": xirr_op,
    "mwr_twr": mwr_twr_op,
    "ratios": ratios_op,
    "myfxbook": myfxbook_op,
    "trade_stats": trade_stats_op,
    "twr_mdd": twr_mdd_op,
    "twr_fees": twr_fees_op,
}
