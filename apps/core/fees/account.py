"""One link's fees in their order: management, performance net of it, then H (math.md §3).

`FeeAccount` is a value: every step returns a new one and what was charged. Equity and H are exact;
the fees are posted amounts. The performance fee at a withdrawal or detach is crystallised first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from apps.core.errors import InputError
from apps.core.fees import hwm as marks
from apps.core.fees.hwm import HwmBasis, WithdrawalRule
from apps.core.fees.performance import Hurdle, hurdle_amount, performance_fee
from apps.core.money import Exact, exact, round_money


@dataclass(frozen=True, slots=True)
class PerformancePlan:
    """The performance part of a fee plan; defaults are math.md's. hurdle: yearly rate on H."""

    rate: Decimal
    basis: HwmBasis = HwmBasis.NET
    withdrawal_rule: WithdrawalRule = WithdrawalRule.PROPORTIONAL
    hurdle_kind: Hurdle = Hurdle.NONE
    hurdle: Decimal = Decimal(0)
    net_of_management: bool = True
    full_crystallisation: bool = True  # False: at a withdrawal only the withdrawn share
    digits: int = 2


@dataclass(frozen=True, slots=True)
class Charge:
    """What a step charged, and the two numbers it left behind."""

    management: Decimal
    performance: Decimal
    equity: Fraction
    hwm: Fraction


@dataclass(frozen=True, slots=True)
class FeeAccount:
    """equity: includes open P/L, excludes bonus credit; hwm: H; days: since crystallisation."""

    plan: PerformancePlan
    equity: Fraction
    hwm: Fraction
    days: int = 0

    @classmethod
    def opened(cls, plan: PerformancePlan, equity: Exact) -> FeeAccount:
        return cls(plan, exact(equity), exact(equity))

    def traded(self, result: Exact, days: int = 0) -> FeeAccount:
        """A trading result, and the days it took."""
        return replace(self, equity=self.equity + exact(result), days=self.days + days)

    def forgiven(self) -> FeeAccount:
        """The broker's negative-balance credit: equity back to 0, no deposit, H unchanged."""
        return replace(self, equity=max(self.equity, Fraction(0)))

    def deposited(self, amount: Exact) -> FeeAccount:
        return replace(
            self,
            equity=self.equity + exact(amount),
            hwm=marks.after_deposit(self.hwm, amount),
        )

    def crystallised(self, management: Exact = 0) -> tuple[FeeAccount, Charge]:
        """Charge: the management fee given, then the performance fee; H and the hurdle reset."""
        plan = self.plan
        posted = round_money(management, plan.digits)
        net = self.equity - exact(posted)
        fee = performance_fee(
            net if plan.net_of_management else self.equity,
            self.hwm,
            plan.rate,
            kind=plan.hurdle_kind,
            hurdle=self._hurdle(),
            digits=plan.digits,
        )
        mark = marks.after_fee(self.hwm, net, fee, plan.basis)
        after = replace(self, equity=net - exact(fee), hwm=mark, days=0)
        return after, Charge(posted, fee, after.equity, after.hwm)

    def _hurdle(self) -> Fraction:
        if self.plan.hurdle_kind is Hurdle.NONE:
            return Fraction(0)
        return hurdle_amount(self.hwm, self.plan.hurdle, self.days)

    def withdrawn(self, amount: Exact, *, crystallise: bool = True) -> tuple[FeeAccount, Charge]:
        """A withdrawal from equity; the fee is crystallised first unless told that it was.

        With only the withdrawn share crystallised, its fee comes out of the amount withdrawn.
        """
        nothing = round_money(0, self.plan.digits)
        account, charge = self, Charge(nothing, nothing, self.equity, self.hwm)
        if crystallise and self.plan.full_crystallisation:
            account, charge = self.crystallised()
        elif crystallise:
            _, whole = self.crystallised()
            part = exact(amount) / self.equity if self.equity > 0 else Fraction(0)
            fee = round_money(exact(whole.performance) * part, self.plan.digits)
            charge = Charge(nothing, fee, self.equity, self.hwm)
        mark = marks.after_withdrawal(
            account.hwm, account.equity, amount, account.plan.withdrawal_rule
        )
        account = replace(account, equity=account.equity - exact(amount), hwm=mark)
        return account, replace(charge, equity=account.equity, hwm=account.hwm)

    def detached(self, management: Exact = 0) -> tuple[FeeAccount, Charge]:
        """Leaving: management accrued so far, then full crystallisation. H is kept."""
        return self.crystallised(management)

    def reattached(self, equity: Exact, deposits: Exact = 0, withdrawals: Exact = 0) -> FeeAccount:
        """Coming back with `equity`: H as it was left, moved by the flows in between only.

        The withdrawals are taken proportionally from the equity at detach plus the deposits.
        """
        account = self if not deposits else self.deposited(deposits)
        if withdrawals:
            account, _ = account.withdrawn(withdrawals, crystallise=False)
        if equity < 0:
            raise InputError("bad_equity", "nobody attaches with negative equity")
        return replace(account, equity=exact(equity), days=0)
