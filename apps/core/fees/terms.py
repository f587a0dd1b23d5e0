"""What a fee plan says: every kind of fee, and who shares it. Values only, JSON in and out.

Rates are ratios from 0 to 1 (hurdle and management: per year). Amounts are in the plan's
`currency`; what is charged is in the account's, at a rate that is stored with the charge.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from apps.core.errors import InputError
from apps.core.fees.hwm import HwmBasis, WithdrawalRule
from apps.core.fees.management import DayCount, EquityBase
from apps.core.fees.performance import Base, Hurdle
from apps.core.fees.sharing import Sharing

ZERO = Decimal(0)
MAX_IB_LEVELS = 5


class Every(StrEnum):
    """How often a fee is settled."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"


class VolumeUnit(StrEnum):
    LOT = "lot"
    MILLION_USD = "million_usd"  # of notional


class Sides(StrEnum):
    ROUND_TURN = "round_turn"  # counted when volume is closed
    SIDE = "side"  # counted when it is opened and when it is closed


class Payer(StrEnum):
    INVESTOR = "investor"  # a commission
    BROKER = "broker"  # a rebate: the broker's own cost, nothing is taken from the account


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a plan."""


class Tier(Part, frozen=True):
    """From this equity on (of the plan's currency) the whole is charged at `rate`."""

    from_amount: Decimal
    rate: Decimal


class Performance(Part, frozen=True):
    """rate · max(0, E − H) and its options (math.md §3)."""

    rate: Decimal
    every: Every = Every.MONTH
    hwm_basis: HwmBasis = HwmBasis.NET
    base: Base = Base.EQUITY
    withdrawal_rule: WithdrawalRule = WithdrawalRule.PROPORTIONAL
    full_crystallisation: bool = True  # False: at a withdrawal only the withdrawn share
    hurdle_kind: Hurdle = Hurdle.NONE
    hurdle: Decimal = ZERO
    lookback_periods: int | None = None  # None: losses are carried for ever
    net_of_management: bool = True
    tiers: tuple[Tier, ...] = ()


class Management(Part, frozen=True):
    """A yearly rate on equity, accrued daily, posted once a period."""

    rate: Decimal
    every: Every = Every.MONTH
    day_count: DayCount = DayCount.ACT_365
    base: EquityBase = EquityBase.DAILY
    tiers: tuple[Tier, ...] = ()


class Volume(Part, frozen=True):
    """An amount per unit of traded volume; `split` where it is shared otherwise than the rest."""

    amount: Decimal
    unit: VolumeUnit = VolumeUnit.LOT
    sides: Sides = Sides.ROUND_TURN
    payer: Payer = Payer.INVESTOR
    every: Every = Every.MONTH
    split: Split | None = None


class Joining(Part, frozen=True):
    """Once for an account and master: an amount, a part of the opening equity, or both."""

    amount: Decimal = ZERO
    rate: Decimal = ZERO


class Exit(Part, frozen=True):
    """When the account leaves within `days` of joining."""

    days: int
    amount: Decimal = ZERO
    rate: Decimal = ZERO


class Split(Part, frozen=True):
    """The manager's and the introducing levels' ratios; the broker is last and gets the rest.

    `ib_levels`: of the person who introduced the investor, of who introduced that one, and so on
    up the tree. A level nobody holds leaves its part to the broker.
    """

    manager: Decimal
    ib_levels: tuple[Decimal, ...] = ()
    mode: Sharing = Sharing.FLAT


class FeeTerms(Part, frozen=True):
    """A whole plan. `minimum`: the least a full period costs, an amount, pro rata by days."""

    split: Split
    currency: str = "USD"
    performance: Performance | None = None
    management: Management | None = None
    volume: Volume | None = None
    joining: Joining | None = None
    exit: Exit | None = None
    minimum: Decimal = ZERO
    minimum_every: Every = Every.MONTH


def terms_from(data: dict[str, Any]) -> FeeTerms:
    """From JSON (numbers as strings). Raises InputError as `check_fees`, "fee_terms_invalid" where
    the JSON is no plan."""
    try:
        terms = msgspec.convert(data, FeeTerms, strict=True)
    except msgspec.ValidationError as error:
        raise InputError("fee_terms_invalid", f"No fee plan: {error}") from error
    return check_fees(terms)


def terms_json(terms: FeeTerms) -> dict[str, Any]:
    """JSON-ready, numbers as strings; `terms_from` reads it back."""
    made: dict[str, Any] = msgspec.to_builtins(terms)
    return made


def check_fees(terms: FeeTerms) -> FeeTerms:
    """The plan itself, when every number is in its range.

    Raises InputError: fee_rate_invalid, fee_split_invalid, fee_terms_invalid.
    """
    for name, rate in _rates(terms):
        if not (rate.is_finite() and 0 <= rate <= 1):
            raise InputError(
                "fee_rate_invalid", f"{name}: a rate is a ratio from 0 to 1.", rate=str(rate)
            )
    for name, amount in _amounts(terms):
        if not (amount.is_finite() and 0 <= amount < 10**12):
            raise InputError(
                "fee_terms_invalid", f"{name}: an amount is not negative.", amount=str(amount)
            )
    check_split(terms.split)
    if terms.volume is not None and terms.volume.split is not None:
        check_split(terms.volume.split)
    if not (terms.performance or terms.management or terms.volume) and (
        terms.joining or terms.exit or terms.minimum
    ):
        raise InputError(
            "fee_terms_invalid",
            "Joining, exit and minimum fees come with a performance, management or volume fee.",
        )
    lookback = terms.performance.lookback_periods if terms.performance else None
    if lookback is not None and not 1 <= lookback <= 120:
        raise InputError("fee_terms_invalid", "A look-back is 1 to 120 periods.")
    if terms.exit is not None and not 1 <= terms.exit.days <= 3660:
        raise InputError("fee_terms_invalid", "An exit fee holds for 1 to 3660 days.")
    if len(terms.currency) != 3 or not terms.currency.isalpha() or not terms.currency.isupper():
        raise InputError("fee_terms_invalid", "A currency is three capital letters.")
    return terms


def check_split(split: Split) -> None:
    """Raises InputError("fee_split_invalid")."""
    parts = [split.manager, *split.ib_levels]
    if len(split.ib_levels) > MAX_IB_LEVELS or not all(
        part.is_finite() and 0 <= part <= 1 for part in parts
    ):
        raise InputError(
            "fee_split_invalid",
            f"A share is a ratio from 0 to 1, of the manager and at most {MAX_IB_LEVELS} levels.",
        )
    if split.mode is Sharing.FLAT and sum(parts) > 1:
        raise InputError("fee_split_invalid", "The shares are more than the whole fee.")


def tier_rate(tiers: Sequence[Tier], rate: Decimal, equity: Decimal) -> Decimal:
    """The rate for `equity` (plan's currency): of the highest tier reached, else `rate`."""
    reached = [tier for tier in tiers if tier.from_amount <= equity]
    return max(reached, key=lambda tier: tier.from_amount).rate if reached else rate


def _rates(terms: FeeTerms) -> list[tuple[str, Decimal]]:
    found = []
    if terms.performance is not None:
        found += [("performance", terms.performance.rate), ("hurdle", terms.performance.hurdle)]
        found += [("performance tier", tier.rate) for tier in terms.performance.tiers]
    if terms.management is not None:
        found.append(("management", terms.management.rate))
        found += [("management tier", tier.rate) for tier in terms.management.tiers]
    if terms.joining is not None:
        found.append(("joining", terms.joining.rate))
    if terms.exit is not None:
        found.append(("exit", terms.exit.rate))
    return found


def _amounts(terms: FeeTerms) -> list[tuple[str, Decimal]]:
    found = [("minimum", terms.minimum)]
    if terms.volume is not None:
        found.append(("volume", terms.volume.amount))
    if terms.joining is not None:
        found.append(("joining", terms.joining.amount))
    if terms.exit is not None:
        found.append(("exit", terms.exit.amount))
    for part in (terms.performance, terms.management):
        if part is not None:
            found += [("tier", tier.from_amount) for tier in part.tiers]
    return found
