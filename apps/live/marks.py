"""Floating P&L of single tickets, by the book's own functions and the quotes that are shown.

The engine marks one aggregate per account and symbol; a ticket is marked here, only while somebody
looks at it. Each is rounded once, so tickets may add up to an account's floating give or take
half a minor unit for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from apps.accounts.models import Symbol
from apps.core.book.commands import QuoteIn, SymbolInfo
from apps.core.book.market import Market, rate
from apps.core.book.marking import terms
from apps.core.book.state import BookState, Members
from apps.core.ints import half_up_div
from apps.core.pnl import minor_per_point_step
from apps.engine.messages import QuoteView
from apps.live.record import OpenTicket
from tenants.figures import currency_digits

_NOBODY = UUID(int=0)


class Prices:
    """The quotes of a moment, and what has been made of them so far: the same for all tickets of a
    symbol in one currency."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.values: dict[tuple[str, str], Fraction | None] = {}
        self.closes: dict[tuple[str, bool], tuple[int, str]] = {}


class Marker:
    """Marks tickets of one server's symbols."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._state = BookState(
            book_id=_NOBODY, book_no=0, master_login=0, currency="", currency_digits=2,
            next_ticket_id=0, currencies=[], digits_of={}, members=Members(), symbols={},
        )  # fmt: skip
        for symbol in symbols:
            self._state.define_symbol(_info(symbol))

    def prices(self, quotes: Mapping[str, QuoteView]) -> Prices:
        """The quotes as the book's functions want them."""
        known = self._state.symbols
        points = {
            name: QuoteIn(_points(quote.bid, quote), _points(quote.ask, quote), quote.at_ms)
            for name, quote in quotes.items()
            if name in known
        }
        return Prices(Market(points, now_ms=0, max_age_ms=0))

    def floating(self, ticket: OpenTicket, currency: str, prices: Prices) -> tuple[str, int] | None:
        """(closing price, P&L in minor units); None when nothing prices it now."""
        symbol = self._state.symbols.get(ticket.symbol)
        if symbol is None:
            return None
        value = self._value(symbol, currency, prices)
        closing = _closing(symbol, ticket.side > 0, prices)
        if value is None or closing is None:
            return None
        moved = closing[0] - int(ticket.open_price.scaleb(symbol.digits))
        point_steps = moved * ticket.side * ticket.open_steps
        return closing[1], half_up_div(point_steps * value.numerator, value.denominator)

    def _value(self, symbol: SymbolInfo, currency: str, prices: Prices) -> Fraction | None:
        """Minor units of `currency` per point and step."""
        key = (symbol.name, currency)
        if key not in prices.values:
            found = rate(self._state, prices.market, symbol.quote_currency, currency)
            prices.values[key] = (
                None
                if found is None
                else minor_per_point_step(terms(symbol), found, currency_digits(currency))
            )
        return prices.values[key]


def _closing(symbol: SymbolInfo, is_buy: bool, prices: Prices) -> tuple[int, str] | None:
    """What a ticket closes at: points, and the price as text."""
    key = (symbol.name, is_buy)
    if key not in prices.closes:
        quote = prices.market.last(symbol.name)
        if quote is None:
            return None
        points = quote.bid if is_buy else quote.ask
        prices.closes[key] = (points, f"{Decimal(points).scaleb(-symbol.digits):f}")
    return prices.closes[key]


def _points(text: str, quote: QuoteView) -> int:
    return int(Decimal(text).scaleb(quote.digits))


def _info(symbol: Symbol) -> SymbolInfo:
    return SymbolInfo(
        name=symbol.name,
        digits=symbol.digits,
        contract_size=symbol.contract_size,
        volume_step=symbol.volume_step,
        min_steps=int(symbol.volume_min / symbol.volume_step),
        max_steps=int(symbol.volume_max / symbol.volume_step),
        base_currency=symbol.base_currency,
        quote_currency=symbol.profit_currency,
        margin_currency=symbol.margin_currency,
        margin_mode="fx" if symbol.margin_currency == symbol.base_currency else "cfd",
        max_leverage=1,  # no margin is computed here
    )
