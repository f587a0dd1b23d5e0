"""The performance fee: rate on the gain above H, with hurdles, bases and loss carry."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.money import ZERO, Exact, exact, round_money

YEAR_DAYS = 365


class Hurdle(StrEnum):
    NONE = "none"
    HARD = "hard"  # rate·max(0, gain − hurdle)
    SOFT = "soft"  # rate·gain once gain ≥ hurdle
    INVESTOR_FLOOR = "investor_floor"  # min(rate·gain, gain − hurdle): never below the hurdle


class Base(StrEnum):
    """What counts as result."""

    EQUITY = "equity"  # realised + floating (default)
    REALISED = "realised"
    REALISED_WITH_FLOATING_LOSS = "realised_with_floating_loss"


def hurdle_amount(hwm: Exact, annual: Exact, days: int | None = None) -> Fraction:
    """H·h, pro rata by days since the last crystallisation (None: h is the period's own)."""
    part = Fraction(1) if days is None else Fraction(days, YEAR_DAYS)
    return max(exact(hwm), ZERO) * exact(annual) * part


def fee_on_gain(
    gain: Exact, rate: Exact, kind: Hurdle = Hurdle.NONE, hurdle: Exact = 0
) -> Fraction:
    """The fee on a gain above H, exact, never negative; hurdle is an amount."""
    share, earned, least = _rate(rate), exact(gain), exact(hurdle)
    if earned <= 0:
        return ZERO
    match Hurdle(kind):
        case Hurdle.NONE:
            return share * earned
        case Hurdle.HARD:
            return share * max(earned - least, ZERO)
        case Hurdle.SOFT:
            return share * earned if earned >= least else ZERO
        case Hurdle.INVESTOR_FLOOR:
            return max(min(share * earned, earned - least), ZERO)


def performance_fee(
    equity: Exact,
    hwm: Exact,
    rate: Exact,
    *,
    kind: Hurdle = Hurdle.NONE,
    hurdle: Exact = 0,
    digits: int = 2,
) -> Decimal:
    """half_up(rate · max(0, E − H)) with the hurdle; 0 at negative equity."""
    if equity <= 0:
        return round_money(0, digits)
    return round_money(fee_on_gain(exact(equity) - exact(hwm), rate, kind, hurdle), digits)


def result_total(
    realised: Exact, floating: Exact, base: Base = Base.EQUITY, trade_fees: Exact = 0
) -> Fraction:
    """The result that counts under `base`; trade_fees: fees paid that count as a loss."""
    match Base(base):
        case Base.EQUITY:
            counted = exact(floating)
        case Base.REALISED:
            counted = ZERO
        case Base.REALISED_WITH_FLOATING_LOSS:
            counted = min(exact(floating), ZERO)
    return exact(realised) + counted - exact(trade_fees)


class LossCarry:
    """Chargeable gains when a loss may only offset the next `lookback` periods (None: forever).

    The oldest losses are used first.
    """

    def __init__(
        self, lookback: int | None = None, carried: Iterable[tuple[int, Exact]] = ()
    ) -> None:
        """carried: (age in periods, loss) left of an earlier series; age 1 is the last period."""
        if lookback is not None and lookback < 1:
            raise InputError("bad_lookback", "a look-back is at least one period")
        self._lookback = lookback
        self._period = 0
        self._losses = sorted((1 - age, exact(loss)) for age, loss in carried)

    def carried(self) -> list[tuple[int, Fraction]]:
        """(age, loss) that the next period may still use, the oldest first."""
        return [(self._period + 1 - period, loss) for period, loss in self._losses]

    def withdrawn(self, part: Fraction) -> None:
        """A withdrawal of this part of the equity takes the same part of the losses away."""
        self._losses = [(period, loss * (1 - part)) for period, loss in self._losses]

    def chargeable(self, result: Exact) -> Fraction:
        """The part of this period's result that bears a fee; advances one period."""
        self._period += 1
        if self._lookback is not None:
            first = self._period - self._lookback
            self._losses = [loss for loss in self._losses if loss[0] >= first]
        gain = exact(result)
        if gain < 0:
            self._losses.append((self._period, -gain))
            return ZERO
        kept: list[tuple[int, Fraction]] = []
        for period, loss in self._losses:
            used = min(loss, gain)
            gain -= used
            if loss > used:
                kept.append((period, loss - used))
        self._losses = kept
        return gain


def chargeable_gains(results: Iterable[Exact], lookback: int | None = None) -> list[Fraction]:
    """`LossCarry` over a whole series."""
    carry = LossCarry(lookback)
    return [carry.chargeable(result) for result in results]


def _rate(rate: Exact) -> Fraction:
    share = exact(rate)
    if not 0 <= share <= 1:
        raise InputError("bad_fee_rate", "a performance fee is between 0 and 1", rate=str(rate))
    return share
