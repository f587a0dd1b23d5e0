"""What a decision may see of the market, and conversion rates made of it.

`Market` remembers which quotes were read: exactly those go into the journal record, so that the
same decision can be made again from the record alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from fractions import Fraction

from apps.core.book.commands import MasterMoney, QuoteIn, SymbolInfo
from apps.core.book.state import BookState
from apps.core.errors import RejectedError
from apps.core.sessions import Sessions, is_open

RATE_DIGITS = 8
"""Significant digits of a conversion rate: what FX is quoted in, and int64 stays exact."""
_RATE = Context(prec=RATE_DIGITS)
_PIVOTS = ("USD", "EUR")
_ALWAYS: Mapping[str, Sessions] = {}


class Market:
    """Quotes by symbol at `now_ms`; `read` is what was looked at (None: it was absent)."""

    def __init__(
        self,
        quotes: Mapping[str, QuoteIn],
        now_ms: int,
        max_age_ms: int,
        master: MasterMoney | None = None,
        sessions: Mapping[str, Sessions] = _ALWAYS,
    ) -> None:
        self.now_ms = now_ms
        self._sessions = sessions
        self._master = master
        self.master_read: MasterMoney | None = None
        self._quotes = quotes
        self._max_age_ms = max_age_ms
        self.read: dict[str, QuoteIn] = {}
        self.rates: dict[tuple[str, str], Decimal | None] = {}
        """Conversions made of these quotes so far."""
        self.values: dict[tuple[str, str, Decimal, Decimal, int], Fraction | None] = {}
        """(quote currency, account currency, terms) → minor units per point and step so far."""
        self.margins: dict[tuple[str, str], Fraction | None] = {}
        """(symbol, currency) → margin per step at a leverage of 1 so far."""

    def with_quote(self, symbol: str, quote: QuoteIn) -> Market:
        """The same market with another quote of `symbol`, open at any time: for what has been
        executed there already. What is read is recorded with this."""
        other = Market({**self._quotes, symbol: quote}, self.now_ms, self._max_age_ms, self._master)
        other.read = self.read
        return other

    def master(self) -> MasterMoney | None:
        """What the master's account is worth, as its server last said."""
        self.master_read = self._master
        return self._master

    def last(self, symbol: str) -> QuoteIn | None:
        """The last quote, however old."""
        quote = self._quotes.get(symbol)
        if quote is not None:
            self.read[symbol] = quote
        return quote

    def fresh(self, symbol: str) -> QuoteIn:
        """A quote to trade on. Raises RejectedError `market_closed`, `no_quote`, `stale_quote`."""
        if not is_open(self._sessions.get(symbol, ()), self.now_ms):
            raise RejectedError(
                "market_closed", f"{symbol} does not trade at this time.", symbol=symbol
            )
        quote = self.last(symbol)
        if quote is None:
            raise RejectedError("no_quote", f"There is no quote of {symbol} yet.", symbol=symbol)
        age_ms = self.now_ms - quote.at_ms
        if age_ms > self._max_age_ms:
            raise RejectedError(
                "stale_quote",
                f"The last quote of {symbol} is {age_ms / 1000:.1f} s old; orders need one not"
                f" older than {self._max_age_ms / 1000:g} s.",
                symbol=symbol,
                age_ms=age_ms,
                max_age_ms=self._max_age_ms,
            )
        return quote


def _direct(state: BookState, market: Market, base: str, quote: str) -> Decimal | None:
    """Mid of the pair (or of its inverse), unrounded; None without a quote."""
    for pair, inverse in (((base, quote), False), ((quote, base), True)):
        name = state.pairs.get(pair)
        found = market.last(name) if name is not None else None
        if name is not None and found is not None:
            mid = Decimal(found.bid + found.ask).scaleb(-state.symbols[name].digits) / 2
            return 1 / mid if inverse else mid
    return None


def rate(state: BookState, market: Market, base: str, quote: str) -> Decimal | None:
    """Units of `quote` per unit of `base` at mid, to RATE_DIGITS; None when nothing prices it.

    Directly, else over USD, else over EUR.
    """
    if base == quote:
        return Decimal(1)
    if (base, quote) not in market.rates:
        market.rates[base, quote] = _rate(state, market, base, quote)
    return market.rates[base, quote]


def _rate(state: BookState, market: Market, base: str, quote: str) -> Decimal | None:
    found = _direct(state, market, base, quote)
    for pivot in _PIVOTS:
        if found is not None:
            break
        if pivot in (base, quote):
            continue
        first = _direct(state, market, base, pivot)
        second = _direct(state, market, pivot, quote)
        if first is not None and second is not None:
            found = first * second
    return None if found is None else _RATE.plus(found)


def mid_points(quote: QuoteIn) -> Decimal:
    return Decimal(quote.bid + quote.ask) / 2


def lots_to_steps(lots: Decimal, symbol: SymbolInfo) -> int:
    """Exact steps of `lots`. Raises RejectedError volume_not_positive, volume_off_step,
    volume_below_min, volume_above_max; each names the limit."""
    if not lots.is_finite() or lots <= 0:
        raise RejectedError(
            "volume_not_positive", f"A volume is a positive number of lots, not {lots}."
        )
    steps = lots / symbol.volume_step
    if steps != steps.to_integral_value():
        raise RejectedError(
            "volume_off_step",
            f"{lots} lots of {symbol.name} is not a multiple of {symbol.volume_step}.",
            symbol=symbol.name,
            lots=str(lots),
            volume_step=str(symbol.volume_step),
        )
    return int(steps)


def price_to_points(price: Decimal, symbol: SymbolInfo) -> int:
    """Exact points. Raises RejectedError `price_invalid`, `price_off_grid`."""
    if not price.is_finite() or price <= 0:
        raise RejectedError("price_invalid", f"A price is a positive number, not {price}.")
    points = price.scaleb(symbol.digits)
    if points != points.to_integral_value():
        raise RejectedError(
            "price_off_grid",
            f"The price {price} of {symbol.name} has more than {symbol.digits} digits.",
            symbol=symbol.name,
            price=str(price),
            digits=symbol.digits,
        )
    return int(points)
