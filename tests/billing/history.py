"""Writing an account's history as the engine's projection would: points, deals, flows, state."""

from __future__ import annotations

import itertools
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

from apps.accounts.models import Link, Master
from apps.allocation.models import AccountState, CashFlow, Deal, EquityPoint
from apps.billing.models import FeePlan
from apps.billing.services.plans import performance_plan, set_fee_plan
from tests.factories import link, master, person

_seq = itertools.count(1)


def utc(text: str) -> datetime:
    """ "2026-10-05 12:00" in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def plan(
    to: Master,
    rate: str = "0.20",
    share: str = "0.80",
    start: str = "2020-01-01",
    basis: str = "net",
) -> FeePlan:
    new = performance_plan(Decimal(rate), Decimal(share), date.fromisoformat(start), basis)
    return set_fee_plan(None, to, new)


class History:
    """One investor's account in one book. Amounts in minor units."""

    def __init__(
        self,
        balance_minor: int,
        *,
        to: Master | None = None,
        joined: str = "2026-10-01 00:00",
        currency: str = "USD",
    ) -> None:
        self.master = to or master(person("manager"))
        self.investor = person("investor")
        self.link: Link = link(self.master, self.investor, currency=currency)
        self.account_id = self.link.account_id
        self.balance = balance_minor
        self.floating = 0
        self.link.joined_at = utc(joined)
        self.link.save(update_fields=["joined_at"])
        AccountState.objects.create(
            account_id=self.account_id,
            book_id=self.master.public_id,
            currency=currency,
            opening_balance_minor=balance_minor,
            balance_minor=balance_minor,
            equity_minor=balance_minor,
            marked_at=utc(joined),
            seq=next(_seq),
        )

    @property
    def equity(self) -> int:
        return self.balance + self.floating

    def mark(self, at: str, floating: int | None = None) -> None:
        """An equity point, as one a minute and one at every realised change."""
        self.floating = self.floating if floating is None else floating
        EquityPoint.objects.update_or_create(
            account_id=self.account_id,
            at=utc(at),
            defaults={"balance_minor": self.balance, "equity_minor": self.equity},
        )
        AccountState.objects.filter(account_id=self.account_id).update(
            balance_minor=self.balance,
            equity_minor=self.equity,
            floating_minor=self.floating,
            marked_at=utc(at),
        )

    def _mark_soon(self, at: str) -> None:
        """The engine records a change some seconds after it."""
        self.mark(f"{at}:05")

    def realise(self, at: str, pnl_minor: int) -> None:
        """A closed trade's result."""
        self.balance += pnl_minor
        seq = next(_seq)
        Deal.objects.create(
            ticket_id=seq, block_id=uuid.uuid4(), account_id=self.account_id, entry="out",
            steps=1, price=Decimal("1.1"), pnl_minor=pnl_minor, at=utc(at), seq=seq,
        )  # fmt: skip
        self._mark_soon(at)

    def flow(
        self, at: str, amount_minor: int, kind: str = "", command: uuid.UUID | None = None
    ) -> None:
        """Money in (> 0) or out."""
        self.balance += amount_minor
        CashFlow.objects.create(
            command_id=command or uuid.uuid4(),
            account_id=self.account_id,
            kind=kind or ("deposit" if amount_minor > 0 else "withdrawal"),
            amount_minor=amount_minor,
            at=utc(at),
            seq=next(_seq),
        )
        self._mark_soon(at)
