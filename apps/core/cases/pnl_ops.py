"""Ops pnl, equity, margin, margin_level, hedged_margin, swap, position_accounting, stop_out,
commission."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.core.cases.case import (
    PRIMARY,
    Case,
    Outputs,
    date_of,
    decimals_of,
    number,
    rate_between,
    side_of,
)
from apps.core.fees.commission import per_lot, per_million
from apps.core.margin import (
    HedgedMode,
    Marked,
    Tier,
    cfd_margin,
    effective_leverage,
    forex_margin,
    hedged_lots,
    margin_level,
    stop_out,
    tiered_margin,
)
from apps.core.money import ZERO, round_money
from apps.core.pnl import SymbolTerms, pnl_one
from apps.core.positions import HedgedBook, NetPosition
from apps.core.swaps import WEDNESDAY, nights, swap_percent, swap_points


def _pnl(case: Case, close_key: str = "close") -> Decimal:
    """Rounded P/L of one position, by the function that posts it."""
    texts = [case.get("open"), case.get(close_key)]
    digits = max(map(decimals_of, texts))
    lots = case.number("lots", "volume")
    step = Decimal(1).scaleb(-decimals_of(case.first("lots", "volume")))
    contract = case.number("contract")
    terms = SymbolTerms(Decimal(contract.numerator) / Decimal(contract.denominator), step, digits)
    points = [int(number(text) * 10**digits) for text in texts]
    minor = pnl_one(
        int(lots / number(str(step))),
        points[0],
        points[1],
        side_of(case.get("side", "buy")),
        terms,
        _rate(case),
        case.money_digits,
    )
    return round_money(Fraction(minor, 10**case.money_digits), case.money_digits)


def _rate(case: Case) -> Fraction:
    """Quote → account: given, or through the prices at hand, or the same currency."""
    if case.first("quote_to_account", "rate") is not None:
        return case.number("quote_to_account", "rate")
    quote = case.get("quote_currency", str(case.get("symbol", ""))[3:6])
    account = case.first("account_currency", "currency")
    return rate_between(case, quote, account) if quote and account else Fraction(1)


def pnl_op(case: Case) -> Outputs:
    gross = [_pnl(row) for row in case.rows()]
    net = [
        value + round_money(row.number("commission", default="0"), row.money_digits)
        + round_money(row.number("swap", default="0"), row.money_digits)
        for value, row in zip(gross, case.rows(), strict=True)
    ]  # fmt: skip
    return {PRIMARY: gross, "pnl": gross, "net": net, "total": sum(gross, Decimal(0))}


def equity_op(case: Case) -> Outputs:
    """Balance plus floating P/L of one or several positions."""
    values = []
    for row in case.rows("steps", "rows"):
        floating = [_pnl(position, "price") for position in row.rows("positions")]
        credit = row.number("credit", default="0")
        total = row.number("balance") + credit + sum(map(number, floating), ZERO)
        values.append(round_money(total, row.money_digits))
    return {PRIMARY: values, "equity": values}


def margin_op(case: Case) -> Outputs:
    """FX, CFD, tiered; rows or one."""
    rows = [_margin(row) for row in case.rows()]
    outputs = {name: [row[name] for row in rows] for name in rows[0]}
    return outputs if "rows" in case else rows[0]


def _margin(case: Case) -> Outputs:
    digits = case.money_digits
    lots, contract = case.number("lots", "volume"), case.number("contract")
    if "tiers" in case:
        base_rate = case.number("base_to_account", default="1")
        rate = case.number("quote_to_account", default="1")
        price = case.number("price", default="1")
        notional = case.number("notional", default=str(lots * contract * base_rate * price * rate))
        tiers = [
            Tier(
                None if tier.get("up_to") is None else number(tier["up_to"]),
                number(tier["leverage"]),
            )
            for tier in case.get("tiers")
        ]
        account = case.get("leverage")
        limit = None if account is None else number(account)
        return {"margin": round_money(tiered_margin(notional, tiers, limit), digits)}
    symbol = case.first("symbol_leverage", "max_leverage")
    percent = case.first("margin_percent", "margin_pct", "margin_rate_pct")
    own = 100 / number(percent) if percent is not None else case.number("leverage")
    leverage = effective_leverage(own, None if symbol is None else number(symbol))
    outputs: Outputs = {"margin_base": round_money(lots * contract / leverage, digits)}
    if "base_to_account" in case or "price" not in case:
        base_rate = case.number("base_to_account", default="1")
        margin = forex_margin(lots, contract, leverage, base_rate)
    else:
        margin = cfd_margin(lots, contract, case.number("price"), leverage, _rate(case))
    return {PRIMARY: round_money(margin, digits), **outputs, "margin": round_money(margin, digits)}


def margin_level_op(case: Case) -> Outputs:
    rows = case.first("rows", default=[[case.get("equity"), case.get("margin")]])
    pairs = [(row["equity"], row["margin"]) if isinstance(row, dict) else row for row in rows]
    levels = [margin_level(number(equity), number(margin)) for equity, margin in pairs]
    return {PRIMARY: levels, "margin_level_pct": levels if "rows" in case else levels[0]}


def hedged_margin_op(case: Case) -> Outputs:
    outputs: Outputs = {}
    for mode in HedgedMode:
        lots = hedged_lots(case.number("long_lots"), case.number("short_lots"), mode)
        if "base_to_account" in case:
            margin = forex_margin(
                lots, case.number("contract"), case.number("leverage"),
                case.number("base_to_account"),
            )  # fmt: skip
        else:
            margin = cfd_margin(
                lots, case.number("contract"), case.number("price"),
                case.number("leverage"), _rate(case),
            )  # fmt: skip
        outputs[str(mode)] = {"lots": lots, "margin": round_money(margin, case.money_digits)}
    chosen = outputs[str(case.first("mode", "hedged_mode", default="max"))]
    return {**outputs, PRIMARY: chosen, "default": outputs["max"], **chosen}


def swap_op(case: Case) -> Outputs:
    values = [round_money(_swap(row), row.money_digits) for row in case.rows()]
    return {PRIMARY: values, "swap": values, "total": sum(values, Decimal(0))}


def _swap(case: Case) -> Fraction:
    weight = _swap_weight(case)
    lots, contract, rate = case.number("lots"), case.number("contract"), _rate(case)
    percent = case.first("swap_percent", "swap_pct", "annual_pct", "percent")
    if percent is not None:
        year = int(case.get("year_days", 360))
        price = case.number("price")
        return swap_percent(lots, contract, price, number(percent), weight, rate, year)
    points = case.number("swap_points", "points")
    return swap_points(lots, contract, case.number("point"), points, weight, rate)


def _swap_weight(case: Case) -> Fraction:
    """Nights with the triple day: told, counted between dates, or nights plus two per triple."""
    if "total_weight" in case:
        return case.number("total_weight")
    opened, closed = case.first("opened", "open_date"), case.first("closed", "close_date")
    if opened is not None and closed is not None:
        triple = case.get("triple_weekday", WEDNESDAY)
        return Fraction(nights(date_of(opened), date_of(closed), _weekday(triple)))
    weight = case.number("nights", "days", default="1")
    triples = case.first("triple_days", "triple_nights", "triple", default=0)
    return weight + 2 * number(int(triples) if isinstance(triples, bool) else triples)


def _weekday(value: Any) -> int:
    names = ("mon", "tue", "wed", "thu", "fri")
    text = str(value).lower()[:3]
    return names.index(text) if text in names else int(value)


def accounting_op(case: Case) -> Outputs:
    """The same deals in a netting and in a hedging account."""
    contract, rate, digits = case.number("contract"), _rate(case), case.money_digits
    net, hedged = NetPosition(), HedgedBook()
    for deal in case.inputs["deals"]:
        side, lots, price = side_of(deal[0]), number(deal[1]), number(deal[2])
        net = net.after(side, lots, price)
        if len(deal) > 3:
            hedged = hedged.closed(int(deal[3]), lots, price)
        else:
            hedged = hedged.opened(side, lots, price)

    def money(value: Fraction) -> Decimal:
        return round_money(value * contract * rate, digits)

    netting: Outputs = {
        "volume": abs(net.lots),
        "side": "buy" if net.lots > 0 else "sell" if net.lots < 0 else "flat",
        "avg_price": net.price,
        "realised": money(net.realised),
    }
    hedging: Outputs = {"positions": len(hedged.legs), "realised": money(hedged.realised)}
    outputs: Outputs = {"netting": netting, "hedging": hedging}
    for match in case.matching(r"(?:(netting|hedging)_)?floating_at_([\d.]+)"):
        price = number(match[2])
        netting[f"floating_at_{match[2]}"] = money(net.floating(price))
        hedging[f"floating_at_{match[2]}"] = money(hedged.floating(price))
        outputs[f"netting_floating_at_{match[2]}"] = money(net.floating(price))
        outputs[f"hedging_floating_at_{match[2]}"] = money(hedged.floating(price))
    return outputs


def stop_out_op(case: Case) -> Outputs:
    positions = [
        Marked(
            str(position["id"]),
            number(position["margin"]),
            number(position["pnl"]),
            int(position.get("steps", 1)),
        )
        for position in case.inputs["positions"]
    ]
    floating = sum((number(position["pnl"]) for position in case.inputs["positions"]), ZERO)
    equity = case.number("balance") + case.number("credit", default="0") + floating
    margin = sum((number(position["margin"]) for position in case.inputs["positions"]), ZERO)
    closed = stop_out(equity, positions, case.number("stop_out_pct"), partial=case.flag("partial"))
    before = margin_level(equity, margin)
    sequence = [step.id for step in closed]
    return {
        PRIMARY: sequence,
        "equity": equity,
        "level_before_pct": before,
        "full_sequence": sequence,
        "sequence": sequence,
        "closed_steps": [step.steps for step in closed],
        "final_level_pct": closed[-1].level_after if closed else before,
        **{f"level_after_{step.id}_pct": step.level_after for step in closed},
    }


def commission_op(case: Case) -> Outputs:
    digits = case.money_digits
    outputs: Outputs = {}
    if "per_million" in case:
        amount = case.number("per_million")
        sides = list(case.rows("sides"))

        def charged(count: int) -> list[Decimal]:
            return [
                per_million(
                    side.number("lots"), side.number("contract"),
                    side.number("base_to_usd", default="1"), amount, count, digits,
                )
                for side in sides
            ]  # fmt: skip

        if "sides" in case:
            outputs["per_million_both_sides"] = charged(2)
            outputs["per_million_one_side"] = outputs["per_million_per_side"] = charged(1)
        for match in case.matching(r"public_check_(\d+)m_\w+?_(both|one)_sides?"):
            count = 2 if match[2] == "both" else 1
            million = Fraction(int(match[1]) * 1_000_000)
            outputs[match[0]] = per_million(1, million, 1, amount, count, digits)
    if "per_lot_round_turn" in case or "per_lot" in case:
        amount = case.number("per_lot_round_turn", "per_lot")
        lots = [number(value) for value in case.first("lots_closed", "lots", default=[])]
        outputs["per_lot"] = [per_lot(value, amount, digits) for value in lots]
    return outputs


OPS: dict[str, Callable[[Case], Outputs]] = {
    "pnl": pnl_op,
    "equity": equity_op,
    "margin": margin_op,
    "margin_level": margin_level_op,
    "hedged_margin": hedged_margin_op,
    "swap": swap_op,
    "position_accounting": accounting_op,
    "stop_out": stop_out_op,
    "commission": commission_op,
}
