"""Floating P&L of single tickets, by the book's own functions and the quotes that are shown.

The engine marks one aggregate per account and symbol; a ticket is marked here, only while somebody
looks at it. Each is rounded once, so tickets may add up to an account's floating give or take
half a minor unit for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from uuid import UUID

from apps.accounts.models import Symbol
from apps.core.book.commands import QuoteIn, SymbolInfo
from apps.core.book.market import Market, rate
from apps.core.book.marking import terms
from apps.core.book.state import BookState, Members
from apps.core.pnl import pnl_one
from apps.engine.messages import QuoteView
from apps.live.record import OpenTicket
from tenants.figures import currency_digits

_NOBODY = UUID(int=0)


class Marker:
    """Marks tickets of one server's symbols."""

    def __init__(self, symbols: Iterable[Symbol]) -> None:
        self._state = BookState(
            book_id=_NOBODY, book_no=0, master_login=0, currency="", currency_digits=2,
            next_ticket_id=0, currencies=[], digits_of={}, members=Members(), symbols={},
        )  # fmt: skip
        for symbol in symbols:
            self._state.define_symbol(_info(symbol))

    def market(self, quotes: Mapping[str, QuoteView]) -> Market:
        """The quotes as the book's functions want them."""
        known = self._state.symbols
        points = {
            name: QuoteIn(_points(quote.bid, quote), _points(quote.ask, quote), quote.at_ms)
            for name, quote in quotes.items()
            if name in known
        }
        return Market(points, now_ms=0, max_age_ms=0)

    def floating(self, ticket: OpenTicket, currency: str, market: Market) -> tuple[str, int] | None:
        """(closing price, P&L in minor units); None when nothing prices it now."""
        symbol = self._state.symbols.get(ticket.symbol)
        quote = market.last(ticket.symbol)
        if symbol is None or quote is None:
            return None
        found = rate(self._state, market, symbol.quote_currency, currency)
        if found is None:
            return None
        close = quote.bid if ticket.side > 0 else quote.ask
        pnl = pnl_one(
            ticket.open_steps,
            int(ticket.open_price.scaleb(symbol.digits)),
            close,
            ticket.side,
            terms(symbol),
            found,
            currency_digits(currency),
        )
        return f"{Decimal(close).scaleb(-symbol.digits):f}", pnl


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
