"""Used margin of many symbols at once is each symbol's own, rounded alone and added up."""

from __future__ import annotations

import random
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import numpy as np
import pytest

from apps.core.book.codec import vec
from apps.core.book.commands import QuoteIn, SymbolInfo
from apps.core.book.market import Market
from apps.core.book.marking import margin_per_step, used_margin
from apps.core.book.state import BookState, Members, new_book
from apps.core.ints import half_up

MEMBERS, SYMBOLS = 23, 9


def book(most_steps: int) -> BookState:
    """Members of two currencies and three leverages, some of them above what a symbol allows."""
    rng = random.Random(most_steps)
    state = new_book(UUID(int=1), 1, 1, "USD", 2)
    state.currency_place("EUR", 2)
    for number in range(SYMBOLS):
        name = "EURUSD" if number == 0 else f"CFD{number}"
        state.define_symbol(
            SymbolInfo(
                name=name,
                digits=5 if number == 0 else 2,
                contract_size=Decimal(100_000 if number == 0 else 7),
                volume_step=Decimal("0.01"),
                min_steps=1,
                max_steps=10**9,
                base_currency=name[:3],
                quote_currency="USD",
                margin_currency="EUR" if number == 0 else "USD",
                margin_mode="fx" if number == 0 else "cfd",
                max_leverage=rng.choice((20, 500)),
            )
        )
    state.members = Members(
        account_ids=vec(range(1, MEMBERS + 1)),
        logins=vec(range(1, MEMBERS + 1)),
        currency=vec([rng.randrange(2) for _ in range(MEMBERS)]),
        leverage=vec([rng.choice((1, 30, 100)) for _ in range(MEMBERS)]),
        balance_minor=np.zeros(MEMBERS, dtype=np.int64),
        status=np.zeros(MEMBERS, dtype=np.int64),
    )
    for name in state.symbols:
        exposure = state.exposure(name)
        exposure.long_steps += vec([rng.randrange(most_steps) for _ in range(MEMBERS)])
        exposure.short_steps += vec([rng.randrange(most_steps) for _ in range(MEMBERS)])
    return state


@pytest.mark.parametrize("most_steps", [3, 10_000, 1 << 42])
def test_margin_of_all_symbols_at_once_is_the_sum_of_each_rounded_alone(most_steps: int) -> None:
    """The largest steps do not fit int64 on the way: then Python's integers compute."""
    state = book(most_steps)
    quotes = {name: QuoteIn(108_000 + n, 108_010 + n, 0) for n, name in enumerate(state.symbols)}
    market = Market(quotes, 0, 1)
    expected = [0] * MEMBERS
    for name, symbol in state.symbols.items():
        held = state.exposures[name]
        for at in range(MEMBERS):
            steps = max(int(held.long_steps[at]), int(held.short_steps[at]))
            currency = state.currencies[int(state.members.currency[at])]
            leverage = int(state.members.leverage[at])
            per_step = margin_per_step(state, market, symbol, currency, leverage)
            assert per_step is not None
            expected[at] += half_up(Fraction(steps) * per_step)
    assert used_margin(state, market).tolist() == expected
