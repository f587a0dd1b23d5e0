"""What goes into a settlement and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from apps.core.errors import RejectedError
from apps.core.fees.performance import Base
from apps.core.fees.terms import FeeTerms, Payer, Split

StepKind = Literal["deposit", "withdrawal", "crystallised"]
HWM_PLACES = 6
MICRO = 10**HWM_PLACES


class Kind(StrEnum):
    """A kind of charge. Each is charged at most once per link and run."""

    PERFORMANCE = "performance"
    MANAGEMENT = "management"
    VOLUME = "volume"
    REBATE = "rebate"  # paid by the broker
    JOINING = "joining"
    EXIT = "exit"
    MINIMUM = "minimum"


class HeldError(RejectedError):
    """This link cannot be settled now; the run goes on without it and takes it up when repeated."""


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

    def counted_minor(self, base: Base) -> int:
        """Net equity as far as `base` counts it: without open results, or with losses only."""
        match base:
            case Base.EQUITY:
                return self.net_minor
            case Base.REALISED:
                return self.net_minor - self.floating_minor
            case Base.REALISED_WITH_FLOATING_LOSS:
                return self.net_minor - max(self.floating_minor, 0)


@dataclass(frozen=True, slots=True)
class CashMove:
    """A deposit (> 0) or withdrawal (< 0) and the account just before it."""

    at: datetime
    amount_minor: int
    before: Mark
    day: date | None = None  # the broker's calendar day of `at`


@dataclass(frozen=True, slots=True)
class Turnover:
    """Volume traded in a window: lots and notional in USD, opened and closed.

    missing: a currency that no rate brings to USD.
    """

    lots_in: Decimal = Decimal(0)
    lots_out: Decimal = Decimal(0)
    usd_in: Decimal = Decimal(0)
    usd_out: Decimal = Decimal(0)
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Party:
    """Who shares a fee: the manager (level 0) or an introducer (level 1, 2, …)."""

    role: Literal["manager", "ib"]
    level: int
    user_id: int


@dataclass(frozen=True, slots=True)
class Window:
    """One link's stretch of time and the kinds of fee that settle in it.

    hwm: None when no mark was ever set. daily_minor: net equity at the end of each whole day from
    `first_day` on, where a management fee accrues. rate: units of the account's currency for one
    of the plan's. carried: losses a look-back still counts, (age in periods, minor units).
    """

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
    kinds: frozenset[str] = frozenset({Kind.PERFORMANCE})
    digits: int = 2
    first_day: date | None = None
    daily_minor: tuple[int, ...] = ()
    turnover: Turnover = Turnover()
    rate: Decimal | None = Decimal(1)
    carried: tuple[tuple[int, Decimal], ...] = ()
    held_days: int = 0  # since it joined
    minimum_part: tuple[int, int] = (0, 1)  # days followed, of days in the period
    earlier_minor: int = 0  # charged in this period before: counts towards the minimum
    introducers: tuple[int, ...] = ()  # user ids, from the nearest level up


@dataclass(frozen=True, slots=True)
class Terms:
    """The plan in force. `rate`: the performance rate that applies (after tiers)."""

    plan_id: int
    fees: FeeTerms
    rate: Decimal

    @property
    def hwm_basis(self) -> str:
        return str(self.fees.performance.hwm_basis) if self.fees.performance else "net"

    @property
    def manager_share(self) -> Decimal:
        return self.fees.split.manager

    def kinds_of(self, kind: Kind) -> Kind:
        """A volume fee that the broker pays is a rebate."""
        volume = self.fees.volume
        if kind is Kind.VOLUME and volume is not None and volume.payer is Payer.BROKER:
            return Kind.REBATE
        return kind

    def split_of(self, kind: Kind) -> Split:
        """How a fee of this kind is shared."""
        volume = self.fees.volume
        own = volume.split if volume and kind in (Kind.VOLUME, Kind.REBATE) else None
        return own or self.fees.split


@dataclass(frozen=True, slots=True)
class Figures:
    """The statement's numbers: opening + … + other = equity; equity − fees = closing.

    fee_minor is the performance fee, fees_minor everything the investor owes for the window.
    """

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
    ib_minor: int = 0
    management_minor: int = 0
    volume_minor: int = 0
    joining_minor: int = 0
    exit_minor: int = 0
    minimum_minor: int = 0
    fees_minor: int = 0

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


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
class Item:
    """One charge of a settlement. shares: (party, minor); the broker's own is `broker_minor`.

    explain: the formula's inputs, JSON-ready.
    """

    kind: Kind
    amount_minor: int
    shares: tuple[tuple[Party, int], ...]
    broker_minor: int
    explain: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Charge:
    """What to post for a window: its items in their order, the mark's steps, the figures."""

    window: Window
    terms: Terms
    figures: Figures
    hwm_opening: Decimal
    hwm_after: Decimal
    steps: tuple[Step, ...]
    items: tuple[Item, ...] = ()
