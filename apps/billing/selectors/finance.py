"""What finance reads of runs, charges and documents. Amounts in minor units."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hmac import compare_digest
from typing import Any

from django.db.models import CharField, Count, F, Prefetch, Q, QuerySet, Sum, Value
from django.db.models.functions import Cast, Coalesce, Concat

from apps.billing.models import (
    Delivery,
    Document,
    FeeCharge,
    FeeCollection,
    FeeRun,
    FeeShare,
    Line,
)

_REBATE = Q(kind=FeeCharge.Kind.REBATE)
_REFERENCE = re.compile(r"([A-Z]+)-(\d{4})-0*(\d{1,9})")


@dataclass(frozen=True, slots=True)
class RunTotal:
    """A run's sums in one currency beside what the ledger holds of the same charges."""

    currency: str
    charges: int
    fee_minor: int
    manager_minor: int
    broker_minor: int
    ib_minor: int
    rebate_minor: int  # the broker's own cost, in none of the other sums but the shares
    collected_minor: int
    ledger_fee_minor: int
    ledger_collected_minor: int

    @property
    def outstanding_minor(self) -> int:
        return self.fee_minor - self.collected_minor

    @property
    def agrees(self) -> bool:
        """Charges, shares and ledger say the same."""
        return (
            self.fee_minor == self.ledger_fee_minor
            and self.fee_minor + self.rebate_minor
            == self.manager_minor + self.ib_minor + self.broker_minor
            and self.collected_minor == self.ledger_collected_minor
        )


def runs() -> QuerySet[FeeRun]:
    """All runs, the latest period first."""
    return FeeRun.objects.annotate(charge_count=Count("charges")).order_by("-ends_at", "-pk")


def fees_by_run(run_ids: Iterable[int]) -> dict[int, list[tuple[str, int, int]]]:
    """(currency, fees, collected) by run."""
    found: dict[int, list[tuple[str, int, int]]] = {}
    rows = (
        FeeCharge.objects.filter(run_id__in=list(run_ids))
        .values("run_id", "currency")
        .annotate(
            fee=Coalesce(Sum("amount_minor", filter=~_REBATE), 0), taken=Sum("collected_minor")
        )
        .order_by("run_id", "currency")
    )
    for row in rows:
        sums = (row["currency"], int(row["fee"]), int(row["taken"]))
        found.setdefault(row["run_id"], []).append(sums)
    return found


def charges_of_run(run: FeeRun) -> QuerySet[FeeCharge]:
    """Every charge with its people, shares, attempts of collection, statement and mail."""
    return (
        FeeCharge.objects.filter(run=run)
        .select_related("run", "link__account__owner", "link__master", "plan", "document")
        .prefetch_related(
            "shares",
            Prefetch("collections", queryset=FeeCollection.objects.order_by("-number")),
            Prefetch("document__deliveries", queryset=Delivery.objects.order_by("id")),
        )
        .order_by("link__master__name", "link__account__login", "pk")
    )


def run_totals(run: FeeRun) -> list[RunTotal]:
    """The total rows of a run, one per currency."""
    charges = FeeCharge.objects.filter(run=run)
    rows = (
        charges.values("currency")
        .annotate(
            n=Count("pk"),
            fee=Coalesce(Sum("amount_minor", filter=~_REBATE), 0),
            rebate=Coalesce(Sum("amount_minor", filter=_REBATE), 0),
            taken=Sum("collected_minor"),
        )
        .order_by("currency")
    )
    shares = FeeShare.objects.filter(charge__run=run)
    manager = _by_currency(shares.filter(party=FeeShare.Party.MANAGER), "charge__currency")
    introducers = _by_currency(shares.filter(party=FeeShare.Party.IB), "charge__currency")
    broker = _by_currency(shares.filter(party=FeeShare.Party.BROKER), "charge__currency")
    taken_keys = _keys(FeeCollection.objects.filter(charge__run=run), "collection:", "command_id")
    lines = Line.objects.all()
    ledger_fee = _by_currency(
        lines.filter(
            entry__key__startswith=f"run:{run.public_id}:", account__code__startswith="receivable:"
        ),
        "currency",
    )
    ledger_taken = _by_currency(
        lines.filter(entry__key__in=taken_keys, account__code__startswith="cash:"), "currency"
    )
    return [
        RunTotal(
            currency=(currency := row["currency"]),
            charges=row["n"],
            fee_minor=int(row["fee"]),
            manager_minor=manager.get(currency, 0),
            broker_minor=broker.get(currency, 0),
            ib_minor=introducers.get(currency, 0),
            rebate_minor=int(row["rebate"]),
            collected_minor=int(row["taken"]),
            ledger_fee_minor=ledger_fee.get(currency, 0),
            ledger_collected_minor=ledger_taken.get(currency, 0),
        )
        for row in rows
    ]


def documents(search: str = "", kind: str = "") -> QuerySet[Document]:
    """All documents (of a kind), newest first; those with the number, person, login or period
    searched."""
    found = (
        Document.objects.select_related("owner", "charge__link__account", "run", "mirrors")
        .prefetch_related(Prefetch("deliveries", queryset=Delivery.objects.order_by("id")))
        .defer("data")
        .order_by("-issued_at", "-pk")
    )
    if kind:
        found = found.filter(kind=kind)
    if not search:
        return found
    match = Q(owner__email__icontains=search) | Q(owner__full_name__icontains=search)
    match |= Q(run__key__startswith=search)
    reference = _REFERENCE.fullmatch(search.upper())
    if reference:
        series, year, number = reference.groups()
        printed = {"series": series, "year": int(year), "number": int(number)}
        match |= Q(**printed) | Q(**{f"mirrors__{name}": value for name, value in printed.items()})
    if search.isdecimal() and len(search) < 19:
        match |= Q(charge__link__account__login=int(search))
    return found.filter(match)


def month_keys() -> list[str]:
    """The months that have documents, the latest first."""
    keys = Document.objects.exclude(run=None).values_list("run__key", flat=True).distinct()
    return sorted({key[:7] for key in keys}, reverse=True)


def documents_of_period(period: str) -> list[int]:
    """Ids of a month's documents in the order of their numbers: statements, summaries, and the
    credit notes that reverse them."""
    return list(
        Document.objects.filter(run__key__startswith=period)
        .order_by("series", "year", "number")
        .values_list("pk", flat=True)
    )


def troubled_mail() -> QuerySet[Delivery]:
    """What did not arrive: failed for good, came back, or still being tried after a failure."""
    gone = Q(state__in=[Delivery.State.FAILED, Delivery.State.BOUNCED])
    return (
        Delivery.objects.filter(gone | (Q(state=Delivery.State.QUEUED) & ~Q(reason="")))
        .select_related("document__owner", "run")
        .defer("document__data")
        .order_by("-pk")
    )


def was_issued(number: str, digest: str) -> bool:
    """Whether a document with this printed number and data digest (SHA-256, hex) was issued."""
    reference = _REFERENCE.fullmatch(number.upper())
    if not reference or not digest:
        return False
    series, year, no = reference.groups()
    digests = Document.objects.filter(series=series, year=int(year), number=int(no)).values_list(
        "data_sha256", flat=True
    )
    return any(compare_digest(known.encode(), digest.encode()) for known in digests)


def _keys(rows: QuerySet[FeeCollection], prefix: str, field: str) -> Any:
    """Ledger keys of `rows`, as a subquery."""
    return rows.annotate(
        ledger_key=Concat(Value(prefix), Cast(F(field), CharField()), output_field=CharField())
    ).values("ledger_key")


def _by_currency(rows: QuerySet[FeeShare] | QuerySet[Line], field: str) -> dict[str, int]:
    sums = rows.values(field).annotate(total=Sum("amount_minor")).order_by(field)
    return {row[field]: int(row["total"]) for row in sums}
