"""What joining an open book costs, told before it is done. Pure.

Spread: what the account would lose by closing again at once, at the same quotes. Margin: what its
positions take; free: what is left for them before (equity − margin used).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.core.book.commands import Inputs, LinkAccount
from apps.core.book.joining import joining_account
from apps.core.book.market import Market
from apps.core.book.marking import floating, margin_per_step, used_margin, value_per_point_step
from apps.core.book.state import BookState
from apps.core.book.takeover import Taken, Takeover, make_token, take_over, with_account
from apps.core.book.terms import check_terms
from apps.core.errors import InputError
from apps.core.ints import half_up_div

TAKES_OVER = ("proportional_at_market", "only_losing")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one block, in minor units of the account's currency."""

    taken: Taken
    price_points: int
    spread_minor: int
    margin_minor: int


@dataclass(frozen=True, slots=True)
class Quote:
    """`token`: unsigned."""

    currency: str
    currency_digits: int
    equity_minor: int
    free_minor: int
    costs: list[Cost]
    token: str


def quote_join(state: BookState, command: LinkAccount, inputs: Inputs) -> Quote:
    """What joining by `command` would take over now. Raises what `decide` would record as refused,
    and InputError `nothing_to_quote` for a mode that takes nothing over."""
    if command.mode not in TAKES_OVER:
        raise InputError("nothing_to_quote", "Joining in this mode takes over nothing.")
    account = joining_account(state, command, inputs)
    if command.terms is not None:
        check_terms(command.terms)
    market = Market(inputs.quotes, inputs.now_ms, inputs.quote_max_age_ms, inputs.master)
    taken = take_over(state, command, account, inputs, market)
    before = with_account(state, account, command.terms)
    at = before.index[account.account_id]
    equity = account.balance_minor + int(floating(before, market, strict=True)[at])
    return Quote(
        currency=account.currency,
        currency_digits=account.currency_digits,
        equity_minor=equity,
        free_minor=equity - int(used_margin(before, market)[at]),
        costs=[_cost(taken, one, account.currency, at, market) for one in taken.taken],
        token=make_token(command, taken, market),
    )


def _cost(all_of_it: Takeover, one: Taken, currency: str, at: int, market: Market) -> Cost:
    view = all_of_it.view
    symbol = view.symbol(one.parent.symbol)
    quote = market.last(symbol.name)
    if quote is None:
        return Cost(one, 0, 0, 0)
    price = quote.ask if one.parent.side == "buy" else quote.bid
    if not one.steps:
        return Cost(one, price, 0, 0)
    value = value_per_point_step(view, market, symbol, currency)
    leverage = int(np.int64(view.members.leverage[at]))
    margin = margin_per_step(view, market, symbol, currency, leverage)
    points = one.steps * (quote.ask - quote.bid)
    return Cost(
        one,
        price,
        half_up_div(points * value.numerator, value.denominator) if value is not None else 0,
        half_up_div(one.steps * margin.numerator, margin.denominator) if margin is not None else 0,
    )
