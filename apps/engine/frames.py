"""Frames: a book marked to market, and quotes as shown. Made at most ten times a second."""

from __future__ import annotations

import numpy as np

from apps.core.book.codec import Vec
from apps.core.book.market import Market, rate
from apps.core.book.marking import used_margin, value_per_point_step
from apps.core.book.state import DETACHED, Block, BookState, Leg
from apps.core.book.watching import watched_floating
from apps.core.ints import half_up_div
from apps.core.pnl import convert_minor
from apps.engine.messages import BlockView, Frame, LegsView, QuoteFrame, QuoteView
from apps.engine.session import ServerSession


class Marks:
    """What one marking gives: vectors of the members that are linked."""

    def __init__(self, state: BookState, market: Market, seq: int) -> None:
        self.places: Vec = np.flatnonzero(state.members.status != DETACHED)
        self.account_ids = state.members.account_ids[self.places]
        self.balance = state.members.balance_minor[self.places]
        self.floating = watched_floating(state, market, seq)[self.places]
        self.equity = self.balance + self.floating
        self.margin = used_margin(state, market)[self.places]

    def sum_minor(self, state: BookState, market: Market) -> int | None:
        """Equity of all in the book's currency; None where a currency has no rate."""
        sums = _by_currency(state, self.places, self.equity)
        if any(rate(state, market, currency, state.currency) is None for currency in sums):
            return None
        return _in_book_currency(state, market, sums)


def make_frame(state: BookState, market: Market, *, epoch: int, seq: int) -> tuple[Frame, Marks]:
    """The book's frame at `market.now_ms`."""
    marks = Marks(state, market, seq)
    aum = _by_currency(state, marks.places, marks.equity)
    frame = Frame(
        epoch=epoch,
        seq=seq,
        at_ms=market.now_ms,
        account_ids=_packed(marks.account_ids),
        balance=_packed(marks.balance),
        equity=_packed(marks.equity),
        floating=_packed(marks.floating),
        margin=_packed(marks.margin),
        blocks=[
            _block_view(state, market, block)
            for block in state.blocks.values()
            if block.status == "open"
        ],
        aum_minor=aum,
        book_currency=state.currency,
        book_floating_minor=_in_book_currency(
            state, market, _by_currency(state, marks.places, marks.floating)
        ),
        book_aum_minor=_in_book_currency(state, market, aum),
    )
    return frame, marks


def _packed(vector: Vec) -> bytes:
    return vector.astype("<i8").tobytes()


def _by_currency(state: BookState, places: Vec, amounts: Vec) -> dict[str, int]:
    """Sums per account currency, in its minor units."""
    numbers = state.members.currency[places]
    return {
        state.currencies[int(number)]: int(amounts[numbers == number].sum())
        for number in np.unique(numbers)
    }


def _in_book_currency(state: BookState, market: Market, sums: dict[str, int]) -> int:
    """The sum in the book's currency; what nothing prices is left out."""
    total = 0
    for currency, amount in sums.items():
        found = rate(state, market, currency, state.currency)
        if found is not None:
            total += int(
                convert_minor(
                    np.array([amount], dtype=np.int64),
                    found,
                    state.digits_of[currency],
                    state.currency_digits,
                )[0]
            )
    return total


def _block_view(state: BookState, market: Market, block: Block) -> BlockView:
    symbol = state.symbols[block.symbol]
    quote = market.last(block.symbol)
    value = value_per_point_step(state, market, symbol, state.currency)
    booked = block.open_steps if block.legs is None else block.open_steps[~block.legs.is_leg]
    amount = _legs_floating(state, market, block)
    if quote is not None and value is not None:
        points = quote.bid if block.side == "buy" else quote.ask
        moved = (points - block.open_points) * block.sign * int(booked.sum())
        amount += half_up_div(moved * value.numerator, value.denominator)
    return BlockView(
        block_id=block.block_id,
        symbol=block.symbol,
        side=block.side,
        open_steps=int(block.open_steps.sum()),
        open_points=block.open_points,
        floating_minor=amount,
        legs=_legs_view(block),
    )


def _legs_floating(state: BookState, market: Market, block: Block) -> int:
    """Of the tickets with prices of their own, in the book's currency: each by its own symbol."""
    legs, total = block.legs, 0
    for number, name in enumerate(legs.symbols if legs is not None else []):
        assert legs is not None
        quote = market.last(name)
        if not name or quote is None:
            continue
        symbol = state.symbols[name]
        value = value_per_point_step(state, market, symbol, state.currency)
        mine = legs.is_leg & (legs.symbol_at == number) & (legs.own_open > 0)
        if value is None or not mine.any():
            continue
        price = quote.bid if block.side == "buy" else quote.ask
        moved = int(((price - legs.open_points[mine]) * legs.own_open[mine]).sum()) * block.sign
        total += half_up_div(moved * value.numerator, value.denominator)
    return total


def _legs_view(block: Block) -> LegsView | None:
    legs = block.legs
    if legs is None:
        return None
    return LegsView(
        pending=legs.pending,
        filled=int(np.count_nonzero(legs.status == Leg.FILLED)),
        failed=int(np.count_nonzero(legs.status == Leg.FAILED)),
    )


def quote_frame(session: ServerSession, symbols: set[str], at_ms: int) -> QuoteFrame:
    """The last quotes of `symbols`."""
    views = {}
    for name in sorted(symbols):
        quote, spec = session.quotes.get(name), session.specs.get(name)
        if quote is not None and spec is not None:
            views[name] = QuoteView(
                symbol=name,
                bid=str(spec.to_price(quote.bid)),
                ask=str(spec.to_price(quote.ask)),
                digits=spec.digits,
                at_ms=quote.at_ms,
            )
    return QuoteFrame(at_ms=at_ms, quotes=views)
