"""Dividing an order among its participants, with every input and reason recorded. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self
from uuid import UUID

import numpy as np

from apps.core.allocation import (
    NO_MANUAL,
    AllocationRequest,
    AllocationResult,
    Method,
    Reason,
    Rule,
    allocate,
)
from apps.core.book.codec import Vec, vec
from apps.core.book.commands import Inputs, QuoteIn, SymbolInfo, order_limit
from apps.core.book.events import BlockAllocated, BlockPlaced
from apps.core.book.market import Market, rate
from apps.core.book.marking import floating
from apps.core.book.sizing import COST_SCALE, Sizes, limits, sizes
from apps.core.book.state import DETACHED, Block, BookState
from apps.core.errors import RejectedError
from apps.core.pnl import convert_minor

_E8 = 10**8


@dataclass(frozen=True, slots=True)
class Ask:
    """An order to be divided. `participants`: account ids; manual vectors are aligned."""

    block_id: UUID
    symbol: str
    side: str
    limit_points: int | None
    sl_points: int | None
    volume_steps: int
    rule: Rule
    participants: Vec
    manual_accounts: Vec
    manual_steps: Vec

    @classmethod
    def of(cls, block: Block | BlockPlaced) -> Self:
        return cls(
            block.block_id,
            block.symbol,
            block.side,
            order_limit(block.kind, block.price_points, block.limit_points),
            block.sl_points,
            block.requested_steps,
            block.rule,
            block.participants,
            block.manual_accounts,
            block.manual_steps,
        )

    def entry_points(self, quote: QuoteIn) -> int:
        """A limit is filled at its price or better; the others at the market."""
        if self.limit_points is not None:
            return self.limit_points
        return quote.ask if self.side == "buy" else quote.bid


@dataclass(frozen=True, slots=True)
class _Money:
    """Vectors over all members: own equity, the method's money in the book's currency."""

    equity_minor: Vec
    common: Vec
    rates: dict[str, Decimal]
    unpriced: Vec


def allocate_block(
    state: BookState, inputs: Inputs, market: Market, ask: Ask
) -> tuple[BlockAllocated, AllocationResult]:
    """Divide the order among its participants and say why.

    Raises RejectedError `no_participants`, `insufficient_margin`, `nothing_allocated`,
    `volume_above_max`, and what the rule's method lacks (see `sizing.sizes`).
    """
    symbol = state.symbol(ask.symbol)
    quote = market.fresh(symbol.name)
    places = state.places(ask.participants)
    places = places[state.members.status[places] != DETACHED]
    if not places.size:
        raise RejectedError("no_participants", "No participant is linked to this book any more.")
    money = _money(state, market, ask.rule)
    bounds = limits(state, market, symbol, money.equity_minor, inputs.margin_level_min_pct)
    exclusion = bounds.exclusion.copy()
    exclusion[money.unpriced] = int(Reason.NO_RATE)
    size = sizes(
        state,
        market,
        symbol,
        ask.rule,
        side=ask.side,
        entry_points=ask.entry_points(quote),
        sl_points=ask.sl_points,
    )
    carry = state.carries.get(symbol.name)
    manual = _manual(state, ask)
    result = allocate(
        AllocationRequest(
            rule=ask.rule,
            volume_steps=ask.volume_steps,
            account_ids=state.members.account_ids[places],
            equity=money.common[places],
            balance=money.common[places],
            parameter=_at(size.parameter, places),
            preset_steps=_at(size.preset_steps, places),
            unit_cost=_at(size.unit_cost, places),
            unit_cost_scale=COST_SCALE if size.unit_cost is not None else 1,
            master_money=size.master_money,
            exclusion=exclusion[places].astype(np.int8),
            min_steps=symbol.min_steps,
            cap_steps=bounds.cap_steps[places],
            cap_reason=bounds.cap_reasons[places].astype(np.int8),
            manual_steps=_at(manual, places),
            carry=carry.as_carry().take(places) if carry is not None else None,
        )
    )
    _check_allocated(result, symbol)
    after = result.carry if ask.rule.uses_carry and result.conserving else None
    is_plain = ask.rule.method is Method.EQUITY and manual is None
    parameter = size.preset_steps if size.preset_steps is not None else size.parameter
    return (
        BlockAllocated(
            block_id=ask.block_id,
            bid_points=quote.bid,
            ask_points=quote.ask,
            quote_at_ms=quote.at_ms,
            account_ids=result.account_ids,
            equity_minor=money.equity_minor[places],
            weights=_weights(ask.rule, money, size)[places],
            rates=money.rates,
            cap_steps=bounds.cap_steps[places],
            steps=result.steps,
            reasons=result.reasons.astype(np.int64),
            quotas_e8=vec() if is_plain else _quotas_e8(result),
            carry=after.numerators if after is not None else vec(),
            carry_denominator=after.denominator if after is not None else 1,
            order_steps=result.block_steps,
            residual_steps=result.residual_steps,
            first_ticket_id=state.next_ticket_id,
            decided_at_ms=inputs.now_ms,
            cap_reasons=vec() if bounds.is_plain else bounds.cap_reasons[places],
            parameters=parameter[places] if parameter is not None else vec(),
            unit_costs=size.unit_cost[places] if size.unit_cost is not None else vec(),
            unit_cost_scale=COST_SCALE if size.unit_cost is not None else 1,
            master_money_minor=size.master_money,
        ),
        result,
    )


def _at(vector: Vec | None, places: Vec) -> Vec | None:
    return None if vector is None else vector[places]


def _manual(state: BookState, ask: Ask) -> Vec | None:
    """Lots set by hand, as int64[members] of steps; None when there are none."""
    if not ask.manual_accounts.size:
        return None
    manual = np.full(state.members.size, NO_MANUAL, dtype=np.int64)
    manual[state.places(ask.manual_accounts)] = ask.manual_steps
    return manual


def _money(state: BookState, market: Market, rule: Rule) -> _Money:
    """Equity of all members, and what the method weighs by in the book's currency."""
    equity = state.members.balance_minor + floating(state, market, strict=True)
    by_balance = rule.method in (Method.BALANCE, Method.RATIO_BALANCE)
    own = state.members.balance_minor if by_balance else equity
    common, rates, unpriced = _common_currency(state, market, own)
    return _Money(equity, common, rates, unpriced)


def _weights(rule: Rule, money: _Money, size: Sizes) -> Vec:
    """What the shares are weighed by, for the record."""
    match rule.method:
        case Method.PERCENT if size.parameter is not None:
            return size.parameter
        case Method.LOT_FIXED | Method.LOT_WEIGHTS if size.preset_steps is not None:
            return size.preset_steps
        case _:
            return money.common


def _check_allocated(result: AllocationResult, symbol: SymbolInfo) -> None:
    """Volume that belongs to nobody is never sent, and neither is nothing."""
    if result.block_steps > symbol.max_steps:
        raise RejectedError(
            "volume_above_max",
            f"The shares add up to {symbol.volume_step * result.block_steps} lots; an order in"
            f" {symbol.name} has at most {symbol.volume_step * symbol.max_steps}.",
            symbol=symbol.name,
            max_lots=str(symbol.volume_step * symbol.max_steps),
        )
    if result.block_steps > 0:
        return
    reasons, counts = np.unique(result.reasons, return_counts=True)
    named = {Reason(int(r)).name.lower(): int(c) for r, c in zip(reasons, counts, strict=True)}
    by_margin = any(Reason(int(r)) in (Reason.CAP_MARGIN, Reason.CAP_BELOW_MIN) for r in reasons)
    raise RejectedError(
        "insufficient_margin" if by_margin else "nothing_allocated",
        "No account would receive a share of this block: "
        + ", ".join(f"{name} × {count}" for name, count in named.items()),
        **named,
    )


def _quotas_e8(result: AllocationResult) -> Vec:
    """Exact requests in 10^-8 steps, rounded down, where equity alone does not tell them."""
    return vec([int(result.requested(i) * _E8) for i in range(result.account_ids.size)])


def _common_currency(
    state: BookState, market: Market, money: Vec
) -> tuple[Vec, dict[str, Decimal], Vec]:
    """Money in the book's currency, the rates used, and the places nothing prices."""
    grouped = state.grouped
    money = money[grouped.order]
    weights = np.zeros(money.size, dtype=np.int64)
    rates: dict[str, Decimal] = {}
    unpriced: list[Vec] = []
    for currency, mine in grouped.currencies:
        found = rate(state, market, currency, state.currency)
        if found is None:
            unpriced.append(grouped.order[mine])
            continue
        rates[currency] = found
        weights[mine] = (
            money[mine]
            if currency == state.currency
            else convert_minor(money[mine], found, state.digits_of[currency], state.currency_digits)
        )
    return grouped.in_place(weights), rates, np.concatenate(unpriced) if unpriced else vec()
