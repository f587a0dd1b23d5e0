"""Ops copy_score, latency_arb, cross_account_hedge, statistics."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from apps.core.cases.case import PRIMARY, Case, Outputs, number, side_of
from apps.core.fraud.abuse import (
    ChurnSettings,
    GapTrade,
    HedgeSettings,
    HedgeTrade,
    churning,
    cross_account_hedge,
    latency_arbitrage,
)
from apps.core.fraud.copying import (
    CopyScore,
    CopySettings,
    Open,
    binomial_tail,
    chance_of_match,
    copy_score,
    reverse_score,
)


def _thresholds(text: Any, names: dict[str, str]) -> dict[str, Decimal]:
    """Settings written in a rule's text: "flag if matched>=10 and …" → {field: 10}."""
    found: dict[str, Decimal] = {}
    for name, field in names.items():
        match = re.search(re.escape(name) + r"\s*>=?\s*(\d+(?:\.\d+)?)", str(text or ""))
        if match:
            found[field] = Decimal(match[1])
    return found


def _opens(trades: list[list[Any]]) -> list[Open]:
    return [
        Open(Decimal(str(at)), str(symbol), side_of(side), Decimal(str(lots)))
        for at, symbol, side, lots in trades
    ]


def copy_score_op(case: Case) -> Outputs:
    """The score, and under reversed_ the score with the suspect's sides flipped."""
    own = _thresholds(
        case.get("rule"),
        {
            "matched": "min_matches",
            "matched/master": "min_master_share",
            "matched/suspect": "min_suspect_share",
            "ratio_consistency": "min_consistency",
        },
    )
    settings = CopySettings(window_s=int(case.get("window_s", 60)), **own)  # type: ignore[arg-type]
    master, suspect = _opens(case.inputs["master"]), _opens(case.inputs["suspect"])
    score = copy_score(master, suspect, settings)
    flipped = reverse_score(master, suspect, settings)
    straight, turned = _score(score), _score(flipped)
    chosen = turned if case.flag("reverse") or case.flag("flipped") else straight
    return {
        **chosen,
        **{f"reverse_{name}": value for name, value in turned.items()},
        **{f"flipped_{name}": value for name, value in turned.items()},
        "reverse": turned,
        "flipped": turned,
        "flag_either": score.flag or flipped.flag,
        PRIMARY: chosen,
    }


def _score(score: CopyScore) -> Outputs:
    return {name: getattr(score, name) for name in score.__slots__}


def latency_arb_op(case: Case) -> Outputs:
    trades = [
        GapTrade(
            str(trade["id"]),
            number(trade["gap_at_open_s"]),
            number(trade["profit"]),
            number(trade["duration_s"]),
        )
        for trade in case.inputs["trades"]
    ]
    longest = (
        case.number("max_duration_min") * 60
        if "max_duration_min" in case
        else case.number("max_duration_s")
    )
    flagged = latency_arbitrage(
        trades,
        gap_s=case.number("gap_s"),
        max_duration_s=longest,
        min_profit=case.number("min_profit_usd", "min_profit"),
    )
    return {PRIMARY: flagged, "flagged": flagged}


def cross_account_hedge_op(case: Case) -> Outputs:
    accounts = []
    for name in ("A", "B"):
        trades = case.inputs[f"account_{name}"]
        results = case.inputs.get(f"pnl_{name}") or [0] * len(trades)
        accounts.append(
            [
                HedgeTrade(str(symbol), side_of(side), number(lots), number(at), number(result))
                for (symbol, side, lots, at), result in zip(trades, results, strict=True)
            ]
        )
    finding = cross_account_hedge(
        accounts[0],
        accounts[1],
        shared_identity=any(
            case.flag(key)
            for key in ("shared_device", "shared_identity", "shared_ip", "same_person")
        ),
        settings=HedgeSettings(
            window_s=int(case.get("window_s", 120)),
            size_tolerance=Decimal(str(case.get("size_tolerance", "0.10"))),
            min_pairs=int(case.get("min_pairs", 3)),
            min_offset=Decimal(str(case.get("min_offset", "0.9"))),
        ),
    )
    outputs: Outputs = {
        "pairs": len(finding.pairs),
        "pair_indices": [first for first, _ in finding.pairs],
        "pair_indices_b": [second for _, second in finding.pairs],
        "offset_ratio": finding.offset,
        "flag": finding.flag,
    }
    return {**outputs, PRIMARY: outputs}


def statistics_op(case: Case) -> Outputs:
    """chance: p₀ and the binomial tail; churn: cost to equity and the flag."""
    outputs: Outputs = {}
    if "chance" in case:
        chance = case.row(case.inputs["chance"])
        probability = chance_of_match(
            int(chance.get("suspect_trades_same_symbol_side")),
            int(chance.get("active_days")),
            int(chance.get("window_s", 60)),
        )
        tail = binomial_tail(int(chance.get("k")), int(chance.get("n")), probability)
        outputs |= {
            "p0": probability,
            "p_value": tail,
            "significant": tail < CopySettings().max_p_value,
        }
    if "churn" in case:
        churn = case.row(case.inputs["churn"])
        own = _thresholds(
            churn.get("rule"), {"cost/equity": "min_cost_to_equity", "share": "min_short_share"}
        )
        ratio, flag = churning(
            churn.number("commission_and_rebate"),
            churn.number("average_equity"),
            churn.number("net_pnl_before_costs"),
            churn.number("share_of_trades_held_under_60s"),
            ChurnSettings(**own),
        )
        outputs |= {"cost_to_equity": ratio, "churn_flag": flag}
    return outputs


OPS: dict[str, Callable[[Case], Outputs]] = {
    "copy_score": copy_score_op,
    "latency_arb": latency_arb_op,
    "cross_account_hedge": cross_account_hedge_op,
    "statistics": statistics_op,
}
