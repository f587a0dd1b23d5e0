"""From what happened in a window to what is owed: pure, exact, no database.

All amounts are minor units of the account's currency. "Net" figures are free of bonus credit and
of fees that were charged earlier but not yet taken, so that one statement's closing equity is the
next one's opening equity.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from apps.core.fees.performance import (
    Flow,
    Path,
    PerformanceTerms,
    performance_path,
    split,
)


@dataclass(frozen=True, slots=True)
class Mark:
    """An account as marked at a moment."""

    at: datetime
    balance_minor: int
    equity_minor: int
    credit_minor: int = 0
    unpaid_fees_minor: int = 0

    @property
    def net_minor(self) -> int:
        return self.equity_minor - self.credit_minor - self.unpaid_fees_minor

    @property
    def floating_minor(self) -> int:
        return self.equity_minor - self.balance_minor


@dataclass(frozen=True, slots=True)
class CashMove:
    """A deposit (> 0) or withdrawal (< 0) and the account just before it."""

    at: datetime
    amount_minor: int
    before: Mark


@dataclass(frozen=True, slots=True)
class Window:
    """One link's stretch of time. `hwm` is None when nothing was ever charged for it."""

    link_id: int
    account_id: int
    currency: str
    starts_at: datetime
    ends_at: datetime
    opening: Mark
    closing: Mark
    moves: tuple[CashMove, ...]
    realised_minor: int
    hwm: Decimal | None


@dataclass(frozen=True, slots=True)
class Terms:
    """What the plan in force says."""

    plan_id: int
    rate: Decimal
    manager_share: Decimal
    hwm_basis: Literal["net", "gross"]


@dataclass(frozen=True, slots=True)
class Figures:
    """The statement's numbers: opening + … + other = equity; equity − fee = closing."""

    opening_minor: int
    deposits_minor: int
    withdrawals_minor: int
    realised_minor: int
    floating_change_minor: int
    other_minor: int
    equity_minor: int
    fee_minor: int
    closing_minor: int
    manager_minor: int
    broker_minor: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Charge:
    """What to post for a window."""

    window: Window
    terms: Terms
    figures: Figures
    hwm_opening: Decimal
    path: Path


def charge_for(window: Window, terms: Terms) -> Charge:
    """The window's performance fee, its mark's steps and the statement's figures."""
    opening = window.hwm if window.hwm is not None else Decimal(window.opening.net_minor)
    path = performance_path(
        opening,
        [Flow(move.amount_minor, move.before.net_minor) for move in window.moves],
        window.closing.net_minor,
        PerformanceTerms(rate=terms.rate, hwm_basis=terms.hwm_basis),
    )
    shares = [terms.manager_share, 1 - terms.manager_share]
    manager, broker = split(path.fee_minor, shares)
    figures = _figures(window, path, manager, broker)
    return Charge(window, terms, figures, opening, path)


def _figures(window: Window, path: Path, manager: int, broker: int) -> Figures:
    deposits = sum(move.amount_minor for move in window.moves if move.amount_minor > 0)
    withdrawals = sum(move.amount_minor for move in window.moves if move.amount_minor < 0)
    floating = window.closing.floating_minor - window.opening.floating_minor
    opening, equity = window.opening.net_minor, window.closing.net_minor
    known = opening + deposits + withdrawals + window.realised_minor + floating
    return Figures(
        opening_minor=opening,
        deposits_minor=deposits,
        withdrawals_minor=withdrawals,
        realised_minor=window.realised_minor,
        floating_change_minor=floating,
        other_minor=equity - known,
        equity_minor=equity,
        fee_minor=path.fee_minor,
        closing_minor=path.closing_minor,
        manager_minor=manager,
        broker_minor=broker,
    )
