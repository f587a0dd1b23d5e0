"""What accounts and the master are worth, exactly, for decisions about them. Pure."""

from __future__ import annotations

import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.market import Market, rate
from apps.core.book.marking import floating
from apps.core.book.state import DETACHED, BookState
from apps.core.errors import RejectedError
from apps.core.pnl import convert_minor


def equity(state: BookState, market: Market) -> Vec:
    """int64[members]. Raises RejectedError `no_quote` where an open symbol was never quoted."""
    whole: Vec = state.members.balance_minor + floating(state, market, strict=True)
    return whole


def master_sum(state: BookState, market: Market, amounts: Vec) -> int:
    """Σ of members that are linked, int64[members] → minor units of the book's currency.

    Raises RejectedError `rate_missing`: a sum without somebody's money would look like a loss.
    """
    here = state.members.status != DETACHED
    total = 0
    for number in np.unique(state.members.currency[here]).tolist():
        mine = here & (state.members.currency == number)
        total += in_book_currency(state, market, number, int(amounts[mine].sum()))
    return total


def in_book_currency(state: BookState, market: Market, currency: int, amount_minor: int) -> int:
    """An amount of the currency with this number. Raises RejectedError `rate_missing`."""
    name = state.currencies[currency]
    found = rate(state, market, name, state.currency)
    if found is None:
        raise RejectedError("rate_missing", f"Nothing converts {name} to {state.currency}.")
    vector = np.array([amount_minor], dtype=np.int64)
    converted = convert_minor(vector, found, state.digits_of[name], state.currency_digits)
    return int(converted[0])
