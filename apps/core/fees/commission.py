"""Volume commissions (rebates): per lot, or per million of notional USD and side."""

from __future__ import annotations

from decimal import Decimal

from apps.core.money import Exact, exact, round_money

MILLION = 1_000_000


def per_lot(lots: Exact, amount: Exact, digits: int = 2) -> Decimal:
    """lots · amount; the amount is for a round turn or a side, as agreed."""
    return round_money(exact(lots) * exact(amount), digits)


def per_million(
    lots: Exact,
    contract: Exact,
    base_to_usd: Exact,
    amount: Exact,
    sides: int = 1,
    digits: int = 2,
) -> Decimal:
    """notional USD / 10⁶ · amount · sides, rounded once."""
    notional = exact(lots) * exact(contract) * exact(base_to_usd)
    return round_money(notional / MILLION * exact(amount) * sides, digits)
