"""Copy score: does an account that is not linked trade what the master trades, just after it?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import exp, expm1, fsum, lgamma, log, log1p
from statistics import median
from typing import NamedTuple

from apps.core.errors import InputError
from apps.core.money import exact


class Open(NamedTuple):
    """A position opened: time in seconds (any origin), side +1 or −1."""

    at_s: Decimal | int
    symbol: str
    side: int
    lots: Decimal

    def flipped(self) -> Open:
        return self._replace(side=-self.side)


@dataclass(frozen=True, slots=True)
class CopySettings:
    window_s: int = 60
    min_matches: int = 10
    min_master_share: Decimal = Decimal("0.6")
    min_suspect_share: Decimal = Decimal("0.5")
    min_consistency: Decimal = Decimal("0.8")
    ratio_tolerance: Decimal = Decimal("0.2")
    max_p_value: float = 1e-6


@dataclass(frozen=True, slots=True)
class CopyScore:
    """lags and ratios of the matched pairs summed up; None without a match."""

    matched: int
    master_trades: int
    suspect_trades: int
    match_rate_master: Fraction
    match_rate_suspect: Fraction
    median_lag_s: Fraction | None
    median_lot_ratio: Fraction | None
    ratio_consistency: Fraction
    flag: bool


def copy_score(
    master: Sequence[Open], suspect: Sequence[Open], settings: CopySettings | None = None
) -> CopyScore:
    """Each master open takes the earliest unused suspect open of its symbol and side, 0 to W later.

    The lot ratios (suspect / master) are consistent that lie within the tolerance of their median.
    """
    rules = settings or CopySettings()
    pairs = _matched(master, suspect, rules.window_s)
    lags = [exact(copy.at_s) - exact(lead.at_s) for lead, copy in pairs]
    sizes = [exact(copy.lots) / exact(lead.lots) for lead, copy in pairs]
    middle = median(sizes) if sizes else None
    width = (middle or 0) * exact(rules.ratio_tolerance)
    near = [size for size in sizes if abs(size - (middle or 0)) <= width]
    of_master = _share(len(pairs), len(master))
    of_suspect = _share(len(pairs), len(suspect))
    consistency = _share(len(near), len(pairs))
    flag = (
        len(pairs) >= rules.min_matches
        and of_master >= exact(rules.min_master_share)
        and of_suspect >= exact(rules.min_suspect_share)
        and consistency >= exact(rules.min_consistency)
    )
    return CopyScore(
        len(pairs),
        len(master),
        len(suspect),
        of_master,
        of_suspect,
        median(lags) if lags else None,
        middle,
        consistency,
        flag,
    )


def reverse_score(
    master: Sequence[Open], suspect: Sequence[Open], settings: CopySettings | None = None
) -> CopyScore:
    """The same with the suspect's sides flipped: somebody who trades against the master."""
    return copy_score(master, [trade.flipped() for trade in suspect], settings)


def _matched(
    master: Sequence[Open], suspect: Sequence[Open], window_s: int
) -> list[tuple[Open, Open]]:
    unused = sorted(suspect, key=lambda trade: trade.at_s)
    pairs = []
    for lead in sorted(master, key=lambda trade: trade.at_s):
        for copy in unused:
            same = copy.symbol == lead.symbol and copy.side == lead.side
            if same and 0 <= exact(copy.at_s) - exact(lead.at_s) <= window_s:
                pairs.append((lead, copy))
                unused.remove(copy)
                break
    return pairs


def _share(part: int, whole: int) -> Fraction:
    return Fraction(part, whole) if whole else Fraction(0)


def chance_of_match(trades: int, active_days: int | float, window_s: int | float) -> float:
    """p₀ = 1 − e^(−λW): that a window holds one of `trades` random ones; λ per second."""
    if active_days <= 0:
        raise InputError("bad_days", "the account was active for more than no days")
    return -expm1(-trades / (active_days * 86_400) * window_s)


def binomial_tail(matches: int, attempts: int, chance: float) -> float:
    """P(X ≥ matches) of `attempts` with probability `chance` each.

    Every term by logarithms, summed from the smallest: nothing cancels, however small the tail.
    """
    if matches <= 0:
        return 1.0
    if matches > attempts or chance <= 0:
        return 0.0
    if chance >= 1:
        return 1.0
    logs = (
        lgamma(attempts + 1) - lgamma(k + 1) - lgamma(attempts - k + 1)
        + k * log(chance) + (attempts - k) * log1p(-chance)
        for k in range(matches, attempts + 1)
    )  # fmt: skip
    return min(fsum(sorted(map(exp, logs))), 1.0)


def significant(score: CopyScore, p_value: float, settings: CopySettings | None = None) -> bool:
    """Whether chance does not explain the matches."""
    return score.matched > 0 and p_value < (settings or CopySettings()).max_p_value
