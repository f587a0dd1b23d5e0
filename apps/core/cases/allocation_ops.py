"""Ops allocate, allocate_sequence, allocate_independent: all by `allocate`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np

from apps.core.allocation import (
    NO_CAP,
    NO_MANUAL,
    AllocationRequest,
    AllocationResult,
    BelowMin,
    CapPolicy,
    Carry,
    Method,
    Reason,
    ResidualPolicy,
    Rule,
    allocate,
)
from apps.core.cases import sizing_ops
from apps.core.cases.case import (
    PRIMARY,
    RATE_TABLES,
    Case,
    Outputs,
    as_integers,
    number,
    rate_between,
    side_of,
)
from apps.core.cases.sizing_ops import BELOW_MIN_NAMES, rounding_of
from apps.core.errors import InputError
from apps.core.ints import Int64Array, int64
from apps.core.lots import lots_of, steps_down, steps_of
from apps.core.money import round_money
from apps.core.positions import result as position_result

METHODS = {
    "proportional_equity": Method.EQUITY,
    "proportional_balance": Method.BALANCE,
    "equity": Method.EQUITY,
    "balance": Method.BALANCE,
    "equal": Method.EQUAL,
    "percent": Method.PERCENT,
    "weights": Method.LOT_WEIGHTS,
    "lots": Method.LOT_FIXED,
    "lot": Method.LOT_FIXED,
    "lot_fixed": Method.LOT_FIXED,
    "fixed_lots": Method.LOT_FIXED,
    "lot_weights": Method.LOT_WEIGHTS,
    "ratio": Method.RATIO,
    "multiplier": Method.RATIO,
    "ratio_equity": Method.RATIO_EQUITY,
    "ratio_balance": Method.RATIO_BALANCE,
    "proportional_to_master": Method.RATIO_EQUITY,
    "proportional_to_master_x_ratio": Method.RATIO_EQUITY,
}
# Which of the account's keys carries what the method reads.
PARAMETERS: dict[Method, tuple[str, ...]] = {
    Method.BALANCE: ("balance",),
    Method.EQUITY: ("equity",),
    Method.PERCENT: ("percent", "pct"),
    Method.LOT_FIXED: ("lots", "lot", "preset_lots"),
    Method.LOT_WEIGHTS: ("weight", "lots", "lot", "preset_lots"),
    Method.RATIO: ("ratio", "multiplier"),
    Method.RATIO_EQUITY: ("ratio", "multiplier"),
    Method.RATIO_BALANCE: ("ratio", "multiplier"),
}
CAPS = ("cap_lots", "max_lots", "cap", "max_volume")
OWN_RATE = re.compile(r"(fx|rate|fx_rate|(\w+_)?to_(usd|base|common|master|account))")
COMMON_CURRENCY = ("common_currency", "base_currency", "master_currency", "currency")
STATUSES = {
    "paused": Reason.PAUSED,
    "detached": Reason.DETACHED,
    "close_only": Reason.CLOSE_ONLY,
    "blocked": Reason.BLOCKED,
    "symbol_not_allowed": Reason.SYMBOL_NOT_ALLOWED,
}
RESIDUALS = {"hamilton": ResidualPolicy.LARGEST_REMAINDER}
CAP_NAMES = {"redistribute": "clip_redistribute"}


def rule_of(case: Case, method: Method, *, carry: bool) -> Rule:
    """The rule a case asks for; absent options take the file's defaults."""
    residual = str(case.get("residual_policy", "largest_remainder"))
    overflow = case.first("overflow_account", "overflow_account_id")
    below = str(case.first("below_min", "below_min_policy", default="skip"))
    cap = str(case.get("cap_policy", "clip"))
    return Rule(
        method=method,
        residual_policy=ResidualPolicy(RESIDUALS.get(residual, residual)),
        below_min=BelowMin(BELOW_MIN_NAMES.get(below, below)),
        cap_policy=CapPolicy(CAP_NAMES.get(cap, cap)),
        rounding=rounding_of(case),
        manual_policy=case.first("override", "manual_policy", default="replace"),
        carry_forward=carry,
        overflow_account_id=_id(case, overflow) if overflow is not None else None,
    )


def method_of(case: Case) -> Method:
    name = str(case.get("method", ""))
    method = METHODS.get(name)
    if method is None:
        raise InputError("unknown_method", f"the case's method {name!r} is unknown")
    mode = case.get("lot_mode")
    if mode is not None and method in {Method.LOT_FIXED, Method.LOT_WEIGHTS}:
        return Method.LOT_WEIGHTS if mode == "weights" else Method.LOT_FIXED
    return method


def account_numbers(accounts: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Ids as integers: their own numbers, or ranks where an id is not a number."""
    names = [str(account["id"]) for account in accounts]
    if all(name.isdecimal() for name in names):
        return {name: int(name) for name in names}
    return {name: rank for rank, name in enumerate(sorted(names), 1)}


def _id(case: Case, name: Any) -> int:
    numbers = account_numbers(case.inputs["accounts"])
    if str(name) not in numbers:
        raise InputError("unknown_account", f"the case has no account {name}")
    return numbers[str(name)]


def _exclusion(case: Case, account: Mapping[str, Any]) -> int:
    for status, reason in STATUSES.items():
        if account.get(status) is True or account.get("status") == status:
            return int(reason)
    allowed = account.get("symbols", account.get("allowed_symbols"))
    if allowed is not None and case.get("symbol") not in allowed:
        return int(Reason.SYMBOL_NOT_ALLOWED)
    if account.get("active") is False or account.get("enabled") is False:
        return int(Reason.PAUSED)
    if account.get("symbol_allowed") is False:
        return int(Reason.SYMBOL_NOT_ALLOWED)
    return 0


def _converted(case: Case, account: Mapping[str, Any], amount: Any) -> Fraction:
    """The account's money in the common currency, by the account's own rate or the case's."""
    own = next((account[key] for key in account if OWN_RATE.fullmatch(key)), None)
    if own is not None:
        return number(amount) * number(own)
    common = case.first(*COMMON_CURRENCY, default="USD")
    currency = account.get("currency", account.get("ccy"))
    if case.first(*RATE_TABLES) is None:
        return number(amount)  # one currency, whatever it is called
    return number(amount) * rate_between(case, currency, common)


def request_of(
    case: Case, *, volume: Any, accounts: Sequence[Mapping[str, Any]], carry: bool
) -> AllocationRequest:
    """The request of one block of the case."""
    method, step = method_of(case), case.number("step")
    rule = rule_of(case, method, carry=carry)
    ids = account_numbers(accounts)
    keys = PARAMETERS.get(method, ())
    values, scale = as_integers(
        [
            _converted(case, account, value) if method in {Method.BALANCE, Method.EQUITY} else value
            for account in accounts
            for value in (_parameter(method, account, keys),)
        ]
    )
    own: dict[str, Any] = {}
    if method in {Method.BALANCE, Method.EQUITY}:
        own[str(method)] = values
    elif method in {Method.LOT_WEIGHTS, Method.LOT_FIXED}:
        own["preset_steps"] = (
            int64([steps_down(Fraction(int(value), scale), step) for value in values])
            if method is Method.LOT_FIXED
            else values
        )
    elif keys:
        own |= {"parameter": values, "parameter_scale": scale}
    if method in {Method.RATIO_EQUITY, Method.RATIO_BALANCE}:
        own |= _master(case, method, accounts)
    manual = case.get("manual", {})
    return AllocationRequest(
        rule=rule,
        volume_steps=steps_of(number(volume), step),
        account_ids=int64([ids[str(account["id"])] for account in accounts]),
        exclusion=np.array([_exclusion(case, account) for account in accounts], dtype=np.int8),
        min_steps=max(1, -steps_down(-case.number("min_lot", default=step), step)),
        cap_steps=int64([_cap(account, step) for account in accounts]),
        manual_steps=int64(
            [
                steps_down(number(manual[str(account["id"])]), step)
                if str(account["id"]) in manual
                else NO_MANUAL
                for account in accounts
            ]
        ),
        **own,
    )


def _parameter(method: Method, account: Mapping[str, Any], keys: tuple[str, ...]) -> Fraction:
    for key in keys:
        if account.get(key) is not None:
            return number(account[key])
    if not keys or method in {Method.RATIO, Method.RATIO_EQUITY, Method.RATIO_BALANCE}:
        return Fraction(1)
    raise InputError("missing_input", f"account {account['id']} has no {keys[0]}")


def _master(case: Case, method: Method, accounts: Sequence[Mapping[str, Any]]) -> Outputs:
    """Investors' and the master's money over one scale."""
    name = "equity" if method is Method.RATIO_EQUITY else "balance"
    master = case.number(f"master_{name}", "master", "master_money")
    money, _ = as_integers(
        [master, *(_converted(case, account, account[name]) for account in accounts)]
    )
    return {"master_money": int(money[0]), name: money[1:]}


def _cap(account: Mapping[str, Any], step: Fraction) -> int:
    caps = [steps_down(number(account[key]), step) for key in CAPS if account.get(key) is not None]
    return min(caps, default=NO_CAP)


def allocate_op(case: Case) -> Outputs:
    """One block; the primary output is the allocation."""
    accounts = case.inputs["accounts"]
    volume = case.first("volume", "master_lots", default="0")
    request = request_of(case, volume=volume, accounts=accounts, carry=case.flag("carry_forward"))
    carry = case.get("carry")
    if carry:
        values, scale = as_integers(
            [number(carry.get(str(account["id"]), 0)) for account in accounts]
        )
        request = replace(request, carry=Carry(values, scale))
    result = allocate(request)
    step = Decimal(str(case.get("step")))
    names = [str(account["id"]) for account in accounts]
    alloc = _lots(names, result.steps, step)
    floors = int64([int(result.requested(i) // 1) for i in range(len(names))])
    outputs: Outputs = {
        PRIMARY: alloc,
        "alloc": alloc,
        "block": lots_of(result.block_steps, step),
        "unallocated": lots_of(result.residual_steps, step),
        "floor": _lots(names, floors, step),
        "before_min": _lots(names, result.rounded_steps, step),
        "before_cap": _lots(names, result.rounded_steps, step),
        "quota": {name: result.requested(i) * Fraction(step) for i, name in enumerate(names)},
        "reasons": {
            name: Reason(int(result.reasons[i])).name.lower() for i, name in enumerate(names)
        },
        "carry": _carries(names, result, step),
    }
    return outputs | _then(case, alloc)


def _lots(names: Sequence[str], steps: Int64Array, step: Decimal) -> dict[str, Decimal]:
    return {name: lots_of(int(value), step) for name, value in zip(names, steps, strict=True)}


def _carries(names: Sequence[str], result: AllocationResult, step: Decimal) -> dict[str, Fraction]:
    carry = result.carry or Carry.zero(len(names))
    return {
        name: Fraction(int(value), carry.denominator) * Fraction(step)
        for name, value in zip(names, carry.numerators, strict=True)
    }


def _then(case: Case, alloc: Mapping[str, Decimal]) -> Outputs:
    """An account's equity after the price moved."""
    move = case.get("then")
    if move is None:
        return {}
    account = str(move["account"])
    gained = position_result(
        side_of(move.get("side", "buy")),
        alloc[account],
        number(move["open"]),
        number(move["close"]),
        number(move["contract"]),
        number(move.get("quote_to_account", "1")),
    )
    equity = round_money(number(move["balance"]) + gained, case.money_digits)
    return {f"equity_account_{account}_after_move": equity}


def sequence_op(case: Case) -> Outputs:
    """Block after block, with and without carry-forward; the primary output is per trade."""
    with_carry, total_with, carry = _sequence(case, carry=True)
    without, total_without, _ = _sequence(case, carry=False)
    chosen = case.flag("carry_forward", default=True)
    trades, total = (with_carry, total_with) if chosen else (without, total_without)
    return {
        PRIMARY: trades,
        "alloc_per_trade": trades,
        "total": total,
        "with_carry_forward": with_carry,
        "without_carry_forward": without,
        "total_with": total_with,
        "total_without": total_without,
        "carry": carry,
    }


def _blocks(case: Case) -> Iterator[tuple[Any, Sequence[Mapping[str, Any]]]]:
    """(volume, accounts) of each trade: fixed accounts, or accounts of each trade."""
    if "trades" in case:
        for trade in case.get("trades"):
            yield trade["volume"], trade.get("accounts", case.get("accounts"))
        return
    per_trade = case.first("accounts_per_trade", "accounts_by_trade")
    for index, volume in enumerate(case.get("volumes")):
        yield volume, per_trade[index] if per_trade else case.inputs["accounts"]


def _sequence(
    case: Case, *, carry: bool
) -> tuple[list[dict[str, Decimal]], dict[str, Decimal], dict[str, Fraction]]:
    step = Decimal(str(case.get("step")))
    kept: dict[str, Fraction] = {}
    trades: list[dict[str, Decimal]] = []
    total: dict[str, Decimal] = {}
    after: int | None = None
    for volume, accounts in _blocks(case):
        names = [str(account["id"]) for account in accounts]
        request = request_of(case, volume=volume, accounts=accounts, carry=carry)
        values, scale = as_integers([kept.get(name, Fraction(0)) for name in names])
        request = replace(request, carry=Carry(values, scale), round_robin_after=after)
        result = allocate(request)
        after = result.round_robin_after
        if result.carry is not None:
            for name, value in zip(names, result.carry.numerators.tolist(), strict=True):
                kept[name] = Fraction(value, result.carry.denominator)
        trade = _lots(names, result.steps, step)
        trades.append(trade)
        for name, lots in trade.items():
            total[name] = total.get(name, Decimal(0)) + lots
    return trades, total, {name: value * Fraction(step) for name, value in kept.items()}


OPS = {
    "allocate": allocate_op,
    "allocate_sequence": sequence_op,
    **sizing_ops.OPS,
}
