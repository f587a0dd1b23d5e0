"""Rows of fee charges as pages and CSV show them: posted ones and those of a dry run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.accounts.models import Link
from apps.billing.compute import Charge
from apps.billing.models import Delivery, FeeCharge, FeeShare
from apps.billing.pdf import mark_text
from apps.core.money import digits_of
from apps.portals.csv_cells import amount_cell

COLUMNS = (
    "period", "kind", "account", "investor", "master", "from_utc", "to_utc", "currency",
    "opening_equity", "equity_before_fee", "closing_equity", "mark_before", "mark_after", "fee",
    "manager_share", "introducers_share", "broker_share", "collected", "outstanding",
    "collection", "collection_note", "statement", "mail", "mail_note",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PostedRow:
    charge: FeeCharge
    mark_before: str
    mark_after: str
    manager_minor: int
    ib_minor: int
    broker_minor: int
    note: str  # why the last attempt to collect did not take it all
    deliveries: list[Delivery]


def posted_rows(charges: Iterable[FeeCharge]) -> list[PostedRow]:
    """From `charges_of_run`: no query per row."""
    return [_posted(charge) for charge in charges]


def _posted(charge: FeeCharge) -> PostedRow:
    shares: dict[str, int] = {}
    for share in charge.shares.all():
        shares[share.party] = shares.get(share.party, 0) + share.amount_minor
    attempts = list(charge.collections.all())
    document = getattr(charge, "document", None)
    return PostedRow(
        charge=charge,
        mark_before=_mark_text(charge.hwm_before, charge.currency),
        mark_after=_mark_text(charge.hwm_after, charge.currency),
        manager_minor=shares.get(FeeShare.Party.MANAGER, 0),
        ib_minor=shares.get(FeeShare.Party.IB, 0),
        broker_minor=shares.get(FeeShare.Party.BROKER, 0),
        note=attempts[0].reason if attempts and charge.outstanding_minor else "",
        deliveries=list(document.deliveries.all()) if document else [],
    )


@dataclass(frozen=True, slots=True)
class DryRow:
    link: Link
    charge: Charge
    mark_before: str
    mark_after: str


@dataclass(frozen=True, slots=True)
class DryTotal:
    currency: str
    charges: int
    fee_minor: int
    manager_minor: int
    ib_minor: int
    broker_minor: int


def dry_rows(charges: Sequence[Charge]) -> list[DryRow]:
    links = Link.objects.select_related("account__owner", "master").in_bulk(
        [charge.window.link_id for charge in charges]
    )
    return [
        DryRow(
            link=links[charge.window.link_id],
            charge=charge,
            mark_before=mark_text(str(charge.hwm_opening), charge.window.currency),
            mark_after=mark_text(str(charge.hwm_after), charge.window.currency),
        )
        for charge in charges
    ]


def dry_totals(charges: Sequence[Charge]) -> list[DryTotal]:
    totals = []
    for currency in sorted({charge.window.currency for charge in charges}):
        mine = [charge.figures for charge in charges if charge.window.currency == currency]
        totals.append(
            DryTotal(
                currency,
                len(mine),
                sum(one.fees_minor for one in mine),
                sum(one.manager_minor for one in mine),
                sum(one.ib_minor for one in mine),
                sum(one.broker_minor for one in mine),
            )
        )
    return totals


def held_logins(held: Iterable[Sequence[Any]]) -> list[tuple[int, str]]:
    """(login, code) of links that could not be settled."""
    codes = {int(link): str(code) for link, code in held}
    found = Link.objects.filter(pk__in=codes).order_by("account__login")
    return [(login, codes[pk]) for pk, login in found.values_list("pk", "account__login")]


def cells(row: PostedRow) -> list[str]:
    """One line of COLUMNS."""
    charge, figures = row.charge, row.charge.figures
    link, currency = charge.link, charge.currency
    document = getattr(charge, "document", None)
    amounts = [figures.get("opening_minor"), charge.equity_minor, figures.get("closing_minor")]
    money = [
        charge.amount_minor, row.manager_minor, row.ib_minor, row.broker_minor,
        charge.collected_minor, charge.outstanding_minor,
    ]  # fmt: skip
    return [
        charge.run.key,
        charge.kind,
        str(link.account.login),
        str(link.account.owner or ""),
        link.master.name,
        charge.window_from.isoformat(timespec="seconds"),
        charge.window_to.isoformat(timespec="seconds"),
        currency,
        *("" if minor is None else amount_cell(minor, currency) for minor in amounts),
        _mark_cell(charge.hwm_before, currency),
        _mark_cell(charge.hwm_after, currency),
        *(amount_cell(minor, currency) for minor in money),
        charge.state,
        row.note,
        document.reference if document else "",
        "; ".join(delivery.state for delivery in row.deliveries),
        "; ".join(delivery.reason for delivery in row.deliveries if delivery.reason),
    ]


def _mark_text(mark: Decimal | None, currency: str) -> str:
    return "" if mark is None else mark_text(str(mark), currency)


def _mark_cell(mark: Decimal | None, currency: str) -> str:
    """A mark may hold fractions of a minor unit: all places that matter, at least the usual.
    Empty for fees that have nothing to do with a mark."""
    if mark is None:
        return ""
    digits = digits_of(currency)
    exact = mark.scaleb(-digits).normalize()
    usual = Decimal(1).scaleb(-digits)
    return f"{exact.quantize(usual) if exact == exact.quantize(usual) else exact:f}"
