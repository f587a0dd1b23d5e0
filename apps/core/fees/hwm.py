"""The high-water mark H and the flows that move it. Exact (Fraction): round only to show.

H falls only by a withdrawal; a deposit at a valuation point adds no gain.
"""

from __future__ import annotations

from enum import StrEnum
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.money import Exact, exact


class HwmBasis(StrEnum):
    """H after a fee."""

    NET = "net"  # H = E after the fee (default)
    GROSS = "gross"  # H = E before the fee


class WithdrawalRule(StrEnum):
    """H after a withdrawal W from equity E."""

    PROPORTIONAL = "proportional"  # H·(E−W)/E (default)
    AMOUNT = "amount"  # H − W


def after_deposit(hwm: Exact, deposit: Exact) -> Fraction:
    """H + D."""
    if deposit <= 0:
        raise InputError("bad_flow", "a deposit is positive", amount=str(deposit))
    return exact(hwm) + exact(deposit)


def after_withdrawal(
    hwm: Exact,
    equity: Exact,
    withdrawal: Exact,
    rule: WithdrawalRule = WithdrawalRule.PROPORTIONAL,
) -> Fraction:
    """H after withdrawing from `equity` (before the withdrawal); at most the equity."""
    if not 0 < withdrawal <= equity:
        raise InputError(
            "bad_flow",
            f"a withdrawal is positive and at most the equity of {equity}",
            amount=str(withdrawal),
        )
    if WithdrawalRule(rule) is WithdrawalRule.AMOUNT:
        return exact(hwm) - exact(withdrawal)
    return exact(hwm) * (exact(equity) - exact(withdrawal)) / exact(equity)


def after_fee(hwm: Exact, equity: Exact, fee: Exact, basis: HwmBasis = HwmBasis.NET) -> Fraction:
    """H after crystallising at `equity` (before the fee).

    net: E − fee where a fee was charged, else unchanged: a gain that no fee was taken on (below a
    hurdle, below a cent) stays chargeable. gross: the highest E ever seen.
    """
    if HwmBasis(basis) is HwmBasis.GROSS:
        return max(exact(hwm), exact(equity))
    return max(exact(hwm), exact(equity) - exact(fee)) if fee > 0 else exact(hwm)


def loss_to_recover(hwm: Exact, equity: Exact) -> Fraction:
    """What must be earned before a fee is due again: max(0, H − E)."""
    return max(exact(hwm) - exact(equity), Fraction(0))
