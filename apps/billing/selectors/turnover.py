"""Volume traded in a window, and the rates by which a plan's amounts become the account's.

A rate is that of the last one-minute bar at or before the window's end: the same run repeated
finds the same rate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import connection

from apps.billing.arrays import array
from apps.billing.compute import Turnover
from apps.billing.selectors.spans import Span
from apps.core.conversion import Pair, conversion
from apps.core.errors import RejectedError
from apps.core.fees.terms import FeeTerms, VolumeUnit

USD = "USD"

# Lots, units of the base currency, and units of the profit currency at the deals' own prices.
_TRADED = """
SELECT w.account_id, w.since, d.entry, s.base_currency, s.profit_currency,
    sum(d.steps * t.volume_step), sum(d.steps * t.volume_step * s.contract_size),
    sum(d.steps * t.volume_step * s.contract_size * d.price)
FROM unnest(%s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[])
     AS w(account_id, server_id, since, until)
JOIN allocation_deal d ON d.account_id = w.account_id AND d.at > w.since AND d.at <= w.until
JOIN allocation_ticket t ON t.id = d.ticket_id
JOIN accounts_symbol s ON s.server_id = w.server_id AND s.name = t.symbol
GROUP BY w.account_id, w.since, d.entry, s.base_currency, s.profit_currency
"""

_PRICES = """
SELECT s.base_currency, s.profit_currency, b.close
FROM accounts_symbol s
CROSS JOIN LATERAL (
    SELECT close FROM allocation_bar b
    WHERE b.server_id = s.server_id AND b.symbol = s.name AND b.at <= %s
    ORDER BY b.at DESC LIMIT 1) b
WHERE s.server_id = %s AND length(s.base_currency) = 3 AND length(s.profit_currency) = 3
ORDER BY s.id
"""

Key = tuple[int, datetime]


class Rates:
    """Conversion rates of a server at moments, read once each."""

    def __init__(self) -> None:
        self._prices: dict[tuple[int, datetime], dict[Pair, Decimal]] = {}
        self._rates: dict[tuple[int, datetime, str, str], Decimal | None] = {}

    def rate(self, server_id: int, moment: datetime, source: str, target: str) -> Decimal | None:
        """Units of `target` for one of `source`; None when no bar tells."""
        if source == target:
            return Decimal(1)
        key = (server_id, moment, source, target)
        if key not in self._rates:
            try:
                prices = self._prices_at(server_id, moment)
                self._rates[key] = conversion(source, target, prices).rate
            except RejectedError:
                self._rates[key] = None
        return self._rates[key]

    def _prices_at(self, server_id: int, moment: datetime) -> dict[Pair, Decimal]:
        key = (server_id, moment)
        if key not in self._prices:
            with connection.cursor() as cursor:
                cursor.execute(_PRICES, [moment, server_id])
                self._prices[key] = {(base, quote): price for base, quote, price in cursor}
        return self._prices[key]


def conversion_rates(spans: Sequence[Span]) -> list[Decimal | None]:
    """Units of the account's currency for one of the plan's, by the span's place.

    None where no bar tells, and 1 where the plan names no amount.
    """
    rates = Rates()
    return [
        rates.rate(
            span.link.server_id, span.ends_at, span.version.fees.currency, span.link.currency
        )
        if _names_amounts(span.version.fees)
        else Decimal(1)
        for span in spans
    ]


def _names_amounts(fees: FeeTerms) -> bool:
    tiers = [part.tiers for part in (fees.performance, fees.management) if part is not None]
    once = [part.amount for part in (fees.joining, fees.exit, fees.volume) if part is not None]
    return any(tiers) or any(once) or bool(fees.minimum)


def turnovers(spans: Iterable[Span]) -> dict[Key, Turnover]:
    """Volume by (account, window's start)."""
    by_key = {(span.link.account_id, span.starts_at): span for span in spans}
    if not by_key:
        return {}
    chosen = list(by_key.values())
    with connection.cursor() as cursor:
        cursor.execute(
            _TRADED,
            [
                array(span.link.account_id for span in chosen),
                array(span.link.server_id for span in chosen),
                array(span.starts_at for span in chosen),
                array(span.ends_at for span in chosen),
            ],
        )
        rows = cursor.fetchall()
    rates, sums, missing = Rates(), dict[Key, dict[str, Decimal]](), dict[Key, str]()
    for account, since, entry, base, profit, lots, units, value in rows:
        span = by_key[account, since]
        volume = span.version.fees.volume
        usd = Decimal(0)
        if volume is not None and volume.unit is VolumeUnit.MILLION_USD:
            known = _in_usd(rates, span, base, profit, units, value)
            if known is None:
                missing[account, since] = base
            usd = known or usd
        one = sums.setdefault((account, since), {})
        for name, amount in ((f"lots_{entry}", lots), (f"usd_{entry}", usd)):
            one[name] = one.get(name, Decimal(0)) + amount
    return {key: Turnover(**one, missing=missing.get(key, "")) for key, one in sums.items()}


def _in_usd(
    rates: Rates, span: Span, base: str, profit: str, units: Decimal, value: Decimal
) -> Decimal | None:
    """Notional in USD: exact where the dollar is in the pair, else at the window's last rate."""
    if base == USD:
        return units
    if profit == USD:
        return value
    rate = rates.rate(span.link.server_id, span.ends_at, base, USD)
    return None if rate is None else units * rate
