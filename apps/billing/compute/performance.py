"""The mark H through a window's flows, and the performance fee at its end.

Marked equity still holds a fee that was crystallised at a withdrawal and will be taken only after
the window: `due` keeps it from being counted as gain again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.billing.compute.values import HWM_PLACES, MICRO, CashMove, Step, StepKind, Window
from apps.core.fees.account import FeeAccount, PerformancePlan
from apps.core.fees.hwm import HwmBasis
from apps.core.fees.performance import Hurdle, LossCarry, fee_on_gain
from apps.core.fees.terms import Performance
from apps.core.ints import half_up, half_up_div

Accrued = Callable[[CashMove], int]
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Outcome:
    """fee: Σ of the steps'; explain: what the charge keeps beside its figures, JSON-ready."""

    fee_minor: int
    opening: Decimal
    after: Decimal
    steps: tuple[Step, ...]
    explain: dict[str, Any]


def performance(
    window: Window,
    plan: Performance,
    rate: Decimal,
    *,
    management_minor: int = 0,
    costs_minor: int = 0,
    accrued: Accrued = lambda move: 0,
) -> Outcome:
    """rate: after tiers. management_minor: this window's; costs_minor: its other fees, which are
    costs like any other; accrued: the management fee accrued up to a move."""
    if plan.lookback_periods is not None:
        return _with_lookback(window, plan, rate, management_minor + costs_minor)
    if not window.moves and plan.hurdle_kind is Hurdle.NONE:
        return _plain(window, plan, rate, management_minor, costs_minor)
    return _through_moves(window, plan, rate, management_minor, costs_minor, accrued)


def opening_mark(window: Window, plan: Performance) -> Decimal:
    if window.hwm is not None:
        return window.hwm
    return Decimal(window.opening.counted_minor(plan.base))


def _plain(
    window: Window, plan: Performance, rate: Decimal, management: int, costs: int
) -> Outcome:
    """No flow and no hurdle, the usual case: whole numbers only (millionths of a minor unit)."""
    opening = opening_mark(window, plan)
    mark = int(opening.scaleb(HWM_PLACES))
    equity = window.closing.counted_minor(plan.base) - costs
    net = equity - management
    earned = (net if plan.net_of_management else equity) * MICRO - mark
    fee = 0
    if earned > 0 and (net if plan.net_of_management else equity) > 0:
        over, under = rate.as_integer_ratio()
        fee = half_up_div(earned * over, MICRO * under)
    if plan.hwm_basis is HwmBasis.GROSS:
        moved = max(mark, net * MICRO)
    else:
        moved = max(mark, (net - fee) * MICRO) if fee else mark
    after = opening if moved == mark else Decimal(moved).scaleb(-HWM_PLACES)
    last = Step(window.ends_at, "crystallised", net, 0, fee, opening, after)
    return Outcome(fee, opening, after, (last,), {})


def _through_moves(
    window: Window,
    plan: Performance,
    rate: Decimal,
    management: int,
    costs: int,
    accrued: Accrued,
) -> Outcome:
    opening = opening_mark(window, plan)
    account = FeeAccount(
        _core_plan(plan, rate), Fraction(window.opening.counted_minor(plan.base)), Fraction(opening)
    )
    steps: list[Step] = []
    due, since = 0, window.starts_at
    for move in window.moves:
        so_far = accrued(move) if plan.net_of_management else 0
        equity = move.before.counted_minor(plan.base) - due - so_far
        account = replace(account, equity=Fraction(equity), days=_days(since, move.at))
        kind: StepKind = "deposit"
        if move.amount_minor < 0:
            kind = "withdrawal"
            account, fee, made = _crystallised(account, move, plan)
            steps += made
            if plan.full_crystallisation:
                since = move.at
            due += fee
        after = (
            account.deposited(move.amount_minor)
            if move.amount_minor > 0
            else _withdrawn(account, -move.amount_minor)
        )
        steps.append(_step(move.at, kind, account, after, move.amount_minor, 0))
        account = after
    equity = window.closing.counted_minor(plan.base) - due - costs
    account = replace(account, equity=Fraction(equity), days=_days(since, window.ends_at))
    charged, charge = account.crystallised(management)
    fee = int(charge.performance)
    steps.append(_step(window.ends_at, "crystallised", account, charged, 0, fee, -management))
    explain = {}
    if plan.hurdle_kind is not Hurdle.NONE:
        explain = {"hurdle_days": account.days}
    return Outcome(due + fee, opening, steps[-1].after, tuple(steps), explain)


def _core_plan(plan: Performance, rate: Decimal) -> PerformancePlan:
    return PerformancePlan(
        rate,
        basis=plan.hwm_basis,
        withdrawal_rule=plan.withdrawal_rule,
        hurdle_kind=plan.hurdle_kind,
        hurdle=plan.hurdle,
        net_of_management=plan.net_of_management,
        full_crystallisation=plan.full_crystallisation,
        digits=0,
    )


def _crystallised(
    account: FeeAccount, move: CashMove, plan: Performance
) -> tuple[FeeAccount, int, list[Step]]:
    """The fee at a withdrawal: the whole gain's, or that of the withdrawn share."""
    charged, charge = account.crystallised()
    if plan.full_crystallisation:
        fee, after = int(charge.performance), charged
    else:
        taken = min(Fraction(-move.amount_minor), account.equity)
        part = taken / account.equity if account.equity > 0 else Fraction(0)
        fee, after = half_up(Fraction(charge.performance) * part), account
    if fee <= 0:
        return account, 0, []
    return after, fee, [_step(move.at, "crystallised", account, after, 0, fee)]


def _withdrawn(account: FeeAccount, amount_minor: int) -> FeeAccount:
    """After a withdrawal that was crystallised. The server let out more than net equity when a fee
    was still due: then nothing of the mark is left."""
    if account.equity <= 0:
        return replace(account, hwm=max(Fraction(0), account.hwm - amount_minor))
    taken = min(Fraction(amount_minor), account.equity)
    after = account.withdrawn(taken, crystallise=False)[0]
    return replace(after, hwm=max(after.hwm, Fraction(0)))


def _with_lookback(window: Window, plan: Performance, rate: Decimal, costs: int) -> Outcome:
    """The window's result, less the losses of the last periods that it may be set off against.

    Nothing is crystallised inside the window: its result counts whole, whatever was withdrawn.
    """
    carry = LossCarry(plan.lookback_periods, window.carried)
    opening = opening_mark(window, plan)
    for move in window.moves:
        before = move.before.counted_minor(plan.base)
        if move.amount_minor < 0 and before > 0:
            carry.withdrawn(min(Fraction(-move.amount_minor, before), Fraction(1)))
    flows = sum(move.amount_minor for move in window.moves)
    net = window.closing.counted_minor(plan.base) - costs
    result = net - flows - window.opening.counted_minor(plan.base)
    gain = carry.chargeable(result)
    least = Fraction(0)
    if plan.hurdle_kind is not Hurdle.NONE:
        days = _days(window.starts_at, window.ends_at)
        base = max(window.opening.counted_minor(plan.base), 0)
        least = base * Fraction(plan.hurdle) * Fraction(days, 365)
    fee = half_up(fee_on_gain(gain, rate, plan.hurdle_kind, least)) if net > 0 else 0
    after = max(opening, Decimal(net - fee)) if fee else opening
    step = Step(window.ends_at, "crystallised", net, 0, fee, opening, after)
    explain = {
        "result_minor": result,
        "chargeable": str(_places(gain)),
        "carried": [[age, str(_places(loss))] for age, loss in carry.carried()],
    }
    return Outcome(fee, opening, after, (step,), explain)


def _days(start: datetime, end: datetime) -> int:
    """Days between two moments, to the nearest: a day of 23 or 25 hours is one."""
    return max(round((end - start).total_seconds() / DAY_S), 0)


def _step(
    at: datetime,
    kind: StepKind,
    account: FeeAccount,
    after: FeeAccount,
    amount_minor: int,
    fee_minor: int,
    other_minor: int = 0,
) -> Step:
    equity = half_up(account.equity) + other_minor
    return Step(at, kind, equity, amount_minor, fee_minor, _places(account.hwm), _places(after.hwm))


def _places(value: Fraction) -> Decimal:
    """The mark as kept: six places of a minor unit, half up."""
    return Decimal(half_up(value * MICRO)).scaleb(-HWM_PLACES)
