"""Ratios of periodic returns (floats: analytics only). A NaN is a missing period: dropped first.

None where a ratio is undefined (no variance, no drawdown, fewer than two periods).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
TRADING_DAYS = 252


@dataclass(frozen=True, slots=True)
class Ratios:
    """All ratios of one series; yearly where annualised."""

    periods: int
    cumulative_return: float
    cagr: float | None
    annual_volatility: float | None
    downside_risk: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float
    calmar: float | None


def ratios(
    returns: npt.ArrayLike, periods_per_year: int = TRADING_DAYS, risk_free: float = 0.0
) -> Ratios:
    """Everything at once; risk_free is yearly, spread evenly over the periods."""
    series = _clean(returns)
    growth = cumulative_return(series)
    yearly = cagr(series, periods_per_year)
    drawdown = max_drawdown(series)
    return Ratios(
        series.size,
        growth,
        yearly,
        annual_volatility(series, periods_per_year),
        downside_risk(series, periods_per_year, risk_free),
        sharpe(series, periods_per_year, risk_free),
        sortino(series, periods_per_year, risk_free),
        drawdown,
        yearly / -drawdown if yearly is not None and drawdown < 0 else None,
    )


def cumulative_return(returns: npt.ArrayLike) -> float:
    """Π(1 + r) − 1."""
    return float(np.prod(1 + _clean(returns))) - 1


def cagr(returns: npt.ArrayLike, periods_per_year: int = TRADING_DAYS) -> float | None:
    """(1 + cumulative)^(periods per year / n) − 1."""
    series = _clean(returns)
    final = 1 + cumulative_return(series)
    if series.size == 0 or final < 0:
        return None
    return float(final ** (periods_per_year / series.size)) - 1


def annual_volatility(returns: npt.ArrayLike, periods_per_year: int = TRADING_DAYS) -> float | None:
    """std(ddof=1)·√periods per year."""
    series = _clean(returns)
    return float(np.std(series, ddof=1)) * sqrt(periods_per_year) if series.size > 1 else None


def downside_risk(
    returns: npt.ArrayLike, periods_per_year: int = TRADING_DAYS, risk_free: float = 0.0
) -> float | None:
    """√mean(min(r, 0)²)·√periods per year, r in excess of the risk-free rate."""
    series = _clean(returns) - risk_free / periods_per_year
    if series.size == 0:
        return None
    return float(np.sqrt(np.mean(np.minimum(series, 0.0) ** 2))) * sqrt(periods_per_year)


def sharpe(
    returns: npt.ArrayLike, periods_per_year: int = TRADING_DAYS, risk_free: float = 0.0
) -> float | None:
    """mean/std(ddof=1)·√periods per year of the excess returns."""
    series = _clean(returns) - risk_free / periods_per_year
    deviation = float(np.std(series, ddof=1)) if series.size > 1 else 0.0
    # Equal returns differ by rounding alone: their deviation is noise, not risk.
    if deviation <= 1e-15 * max(1.0, float(np.max(np.abs(series), initial=0.0))):
        return None
    return float(np.mean(series)) / deviation * sqrt(periods_per_year)


def sortino(
    returns: npt.ArrayLike, periods_per_year: int = TRADING_DAYS, risk_free: float = 0.0
) -> float | None:
    """Yearly mean excess return over the downside risk."""
    series = _clean(returns) - risk_free / periods_per_year
    risk = downside_risk(series, periods_per_year)
    return float(np.mean(series)) * periods_per_year / risk if risk else None


def max_drawdown(returns: npt.ArrayLike) -> float:
    """The deepest fall of the index from its running peak, ≤ 0; the index starts at 1."""
    series = _clean(returns)
    curve = np.concatenate([[1.0], np.cumprod(1 + series)])
    return float(np.min(curve / np.maximum.accumulate(curve) - 1))


def gain_to_pain(monthly_returns: npt.ArrayLike) -> float | None:
    """Σ monthly returns / |Σ negative months|; None without a negative month."""
    series = _clean(monthly_returns)
    pain = -float(np.sum(np.minimum(series, 0.0)))
    return float(np.sum(series)) / pain if pain else None


def _clean(returns: npt.ArrayLike) -> Floats:
    series = np.asarray(returns, dtype=np.float64)
    return series[~np.isnan(series)]
