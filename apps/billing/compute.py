"""From what happened in a window to what is owed: pure, exact, no database.

All amounts are minor units of the account's currency. "Net" figures are free of bonus credit and
of fees that were charged earlier but not yet taken, so that one statement's closing equity is the
next one's opening equity.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

from apps.core.fees.account import FeeAccount, PerformancePlan
from apps.core.fees.hwm import HwmBasis
from apps.core.fees.sharing import share
from apps.core.ints import half_up

StepKind = Literal["deposit", "withdrawal", "crystallised"]
HWM_PLACES = 6


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
class Step:
    """One move of the mark: at what net equity, by which flow or fee, from where to where."""

    at: datetime
    kind: StepKind
    equity_minor: int
    amount_minor: int
    fee_minor: int
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class Charge:
    """What to post for a window."""

    window: Window
    terms: Terms
    figures: Figures
    hwm_opening: Decimal
    hwm_after: Decimal
    steps: tuple[Step, ...]


def charge_for(window: Window, terms: Terms) -> Charge:
    """The window's performance fee, its mark's steps and the statement's figures."""
    opening = window.hwm if window.hwm is not None else Decimal(window.opening.net_minor)
    steps = _steps(window, terms, opening)
    fee = sum(step.fee_minor for step in steps)
    percent = terms.manager_share * 100
    manager, broker = share(fee, [percent, 100 - percent], digits=0)
    figures = _figures(window, fee, int(manager), int(broker))
    return Charge(window, terms, figures, opening, steps[-1].after, tuple(steps))


def _steps(window: Window, terms: Terms, opening: Decimal) -> list[Step]:
    """The mark through the window's flows, then the crystallisation at its end.

    Marked equity still holds a fee that was crystallised at a withdrawal and will be taken only
    after the window: `due` keeps it from being counted as gain again.
    """
    plan = PerformancePlan(terms.rate, basis=HwmBasis(terms.hwm_basis), digits=0)
    account = FeeAccount(plan, Fraction(window.opening.net_minor), Fraction(opening))
    steps: list[Step] = []
    due = 0
    for move in window.moves:
        account = replace(account, equity=Fraction(move.before.net_minor - due))
        if move.amount_minor > 0:
            after = account.deposited(move.amount_minor)
            kind: StepKind = "deposit"
        else:
            charged, charge = account.crystallised()
            if charge.performance > 0:
                fee = int(charge.performance)
                steps.append(_step(move.at, "crystallised", account, charged, 0, fee))
                due += fee
                account = charged
            after = _withdrawn(account, -move.amount_minor)
            kind = "withdrawal"
        steps.append(_step(move.at, kind, account, after, move.amount_minor, 0))
        account = after
    account = replace(account, equity=Fraction(window.closing.net_minor - due))
    charged, charge = account.crystallised()
    steps.append(
        _step(window.ends_at, "crystallised", account, charged, 0, int(charge.performance))
    )
    return steps


def _withdrawn(account: FeeAccount, amount_minor: int) -> FeeAccount:
    """After a withdrawal that was crystallised. The server let out more than net equity when a fee
    was still due: then nothing of the mark is left."""
    if account.equity <= 0:
        return replace(account, hwm=max(Fraction(0), account.hwm - amount_minor))
    taken = min(Fraction(amount_minor), account.equity)
    return account.withdrawn(taken, crystallise=False)[0]


def _step(
    at: datetime,
    kind: StepKind,
    account: FeeAccount,
    after: FeeAccount,
    amount_minor: int,
    fee_minor: int,
) -> Step:
    equity = half_up(account.equity)
    return Step(at, kind, equity, amount_minor, fee_minor, _places(account.hwm), _places(after.hwm))


def _places(hwm: Fraction) -> Decimal:
    """The mark as kept: six places of a minor unit, half up."""
    return Decimal(half_up(hwm * 10**HWM_PLACES)).scaleb(-HWM_PLACES)


def _figures(window: Window, fee: int, manager: int, broker: int) -> Figures:
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
        fee_minor=fee,
        closing_minor=equity - fee,
        manager_minor=manager,
        broker_minor=broker,
    )
