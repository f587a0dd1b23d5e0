"""A window's fees in their order: joining, volume, management, exit, performance, minimum."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from apps.billing.compute import amounts
from apps.billing.compute.performance import Outcome, performance
from apps.billing.compute.values import CashMove, Charge, Figures, Item, Kind, Party, Terms, Window
from apps.core.fees.sharing import ratio_of, share_minor
from apps.core.fees.terms import FeeTerms, Performance, tier_rate

_ALWAYS = (Kind.PERFORMANCE, Kind.MANAGEMENT, Kind.VOLUME)  # kept also when nothing is due


def charge_for(
    window: Window, plan_id: int, fees: FeeTerms, manager_id: int, due_minor: int = 0
) -> Charge:
    """Everything the window's kinds owe, shared, with the mark's steps and the figures.

    due_minor: what the same run charges this link for another window. Raises HeldError where a
    conversion rate is missing.
    """
    terms = Terms(plan_id, fees, _performance_rate(window, fees))
    owed, explained = _other_fees(window, terms)
    outcome = _performance(window, terms, owed, due_minor)
    if outcome is not None:
        owed[Kind.PERFORMANCE], explained[Kind.PERFORMANCE] = outcome.fee_minor, outcome.explain
    if Kind.MINIMUM in window.kinds:
        charged = sum(fee for kind, fee in owed.items() if kind is not Kind.REBATE) + due_minor
        owed[Kind.MINIMUM], explained[Kind.MINIMUM] = amounts.minimum(window, terms, charged)
    items = tuple(
        _item(window, terms, kind, fee, explained[kind], manager_id)
        for kind, fee in owed.items()
        if fee or kind in _ALWAYS
    )
    mark = window.hwm if window.hwm is not None else Decimal(window.opening.net_minor)
    return Charge(
        window=window,
        terms=terms,
        figures=_figures(window, items),
        hwm_opening=outcome.opening if outcome else mark,
        hwm_after=outcome.after if outcome else mark,
        steps=outcome.steps if outcome else (),
        items=items,
    )


def _other_fees(window: Window, terms: Terms) -> tuple[dict[Kind, int], dict[Kind, dict[str, Any]]]:
    fees, owed, explained = terms.fees, {}, {}
    if Kind.JOINING in window.kinds and fees.joining:
        part = fees.joining
        owed[Kind.JOINING], explained[Kind.JOINING] = amounts.once(
            window, terms, part.amount, part.rate, window.opening.net_minor
        )
    if Kind.VOLUME in window.kinds and fees.volume:
        kind = terms.kinds_of(Kind.VOLUME)
        owed[kind], explained[kind] = amounts.volume(window, terms)
    if Kind.MANAGEMENT in window.kinds and fees.management:
        owed[Kind.MANAGEMENT], explained[Kind.MANAGEMENT] = amounts.management(
            window, fees.management
        )
    if Kind.EXIT in window.kinds and fees.exit and window.held_days < fees.exit.days:
        owed[Kind.EXIT], explained[Kind.EXIT] = amounts.once(
            window, terms, fees.exit.amount, fees.exit.rate, window.closing.net_minor
        )
    return owed, explained


def _performance(
    window: Window, terms: Terms, owed: dict[Kind, int], due_minor: int
) -> Outcome | None:
    plan, management = terms.fees.performance, terms.fees.management
    if Kind.PERFORMANCE not in window.kinds or plan is None:
        return None

    def accrued(move: CashMove) -> int:
        if management is None or Kind.MANAGEMENT not in owed or move.day is None:
            return 0
        return amounts.management(window, management, move.day)[0]

    costs = sum(owed.get(kind, 0) for kind in (Kind.JOINING, Kind.VOLUME, Kind.EXIT))
    return performance(
        window,
        plan,
        terms.rate,
        management_minor=owed.get(Kind.MANAGEMENT, 0),
        costs_minor=costs + due_minor,
        accrued=accrued,
    )


def _performance_rate(window: Window, fees: FeeTerms) -> Decimal:
    plan: Performance | None = fees.performance
    if plan is None:
        return Decimal(0)
    if not plan.tiers or Kind.PERFORMANCE not in window.kinds:
        return plan.rate
    equity = amounts.in_plan_currency(window, window.closing.counted_minor(plan.base))
    return tier_rate(plan.tiers, plan.rate, equity)


def _item(
    window: Window,
    terms: Terms,
    kind: Kind,
    fee: int,
    explain: dict[str, Any],
    manager_id: int,
) -> Item:
    """The fee shared. A rebate is what its parties get: the broker does not pay itself."""
    split = terms.split_of(kind)
    parties = (
        Party("manager", 0, manager_id),
        *(
            Party("ib", level, user_id)
            for level, user_id in enumerate(window.introducers[: len(split.ib_levels)], start=1)
        ),
    )
    ratios = (split.manager, *split.ib_levels[: len(parties) - 1])
    *parts, rest = share_minor(fee, [ratio_of(part) for part in ratios], split.mode)
    if kind is Kind.REBATE:
        fee, rest = fee - rest, 0
    return Item(kind, fee, tuple(zip(parties, parts, strict=True)), rest, explain)


def _figures(window: Window, items: tuple[Item, ...]) -> Figures:
    deposits = sum(move.amount_minor for move in window.moves if move.amount_minor > 0)
    withdrawals = sum(move.amount_minor for move in window.moves if move.amount_minor < 0)
    floating = window.closing.floating_minor - window.opening.floating_minor
    opening, equity = window.opening.net_minor, window.closing.net_minor
    known = opening + deposits + withdrawals + window.realised_minor + floating
    owed = {item.kind: item.amount_minor for item in items if item.kind is not Kind.REBATE}
    fees = sum(owed.values())
    manager = ib = broker = 0
    for item in items:
        if item.kind is not Kind.REBATE:
            broker += item.broker_minor
            manager += item.shares[0][1]
            ib += sum(part for _, part in item.shares[1:])
    return Figures(
        opening_minor=opening,
        deposits_minor=deposits,
        withdrawals_minor=withdrawals,
        realised_minor=window.realised_minor,
        floating_change_minor=floating,
        other_minor=equity - known,
        equity_minor=equity,
        fee_minor=owed.get(Kind.PERFORMANCE, 0),
        closing_minor=equity - fees,
        manager_minor=manager,
        broker_minor=broker,
        ib_minor=ib,
        management_minor=owed.get(Kind.MANAGEMENT, 0),
        volume_minor=owed.get(Kind.VOLUME, 0),
        joining_minor=owed.get(Kind.JOINING, 0),
        exit_minor=owed.get(Kind.EXIT, 0),
        minimum_minor=owed.get(Kind.MINIMUM, 0),
        fees_minor=fees,
    )
