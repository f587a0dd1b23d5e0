"""Rates to the broker's base currency, from the engine's last quotes. For show only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from apps.core.errors import UnavailableError
from apps.engine import client

_PIVOT = "USD"


def rates_to(base: str, currencies: Iterable[str], broker: str) -> dict[str, float]:
    """currency → units of `base` for one of it, by mid prices; a currency without one is absent."""
    try:
        quotes = client.latest_quotes(broker)
    except UnavailableError:
        quotes = {}
    mids = {
        name: (float(quote.bid) + float(quote.ask)) / 2
        for name, quote in quotes.items()
        if len(name) == 6
    }
    found = {currency: _rate(currency, base, mids) for currency in {*currencies, base}}
    return {currency: rate for currency, rate in found.items() if rate is not None}


def _rate(source: str, target: str, mids: Mapping[str, float]) -> float | None:
    direct = _direct(source, target, mids)
    if direct is not None:
        return direct
    first, second = _direct(source, _PIVOT, mids), _direct(_PIVOT, target, mids)
    return first * second if first is not None and second is not None else None


def _direct(source: str, target: str, mids: Mapping[str, float]) -> float | None:
    if source == target:
        return 1.0
    if mids.get(source + target):
        return mids[source + target]
    inverse = mids.get(target + source)
    return 1 / inverse if inverse else None
