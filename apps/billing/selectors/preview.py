"""What a proposed plan would change: the running windows settled now, under the old and the new.

A running window is not settled under the proposal when it is approved: this shows its effect on
figures that people know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from apps.billing.broker import broker_now
from apps.billing.models import FeePlan, PlanChange
from apps.billing.selectors.plans import PlanBook, add_version, links_under, plans_of
from apps.billing.selectors.settling import Settled, settle
from apps.billing.selectors.spans import Asked, LinkRow, rows_of

LIMIT = 500  # links looked at


@dataclass(frozen=True, slots=True)
class PreviewTotal:
    """Σ over the links of a currency, minor units."""

    currency: str
    links: int
    before_minor: int
    after_minor: int

    @property
    def change_minor(self) -> int:
        return self.after_minor - self.before_minor


@dataclass(frozen=True, slots=True)
class Preview:
    """totals over `looked_at` of the `affected` links."""

    affected: int
    looked_at: int
    totals: tuple[PreviewTotal, ...]


def preview_of(change: PlanChange, now: datetime) -> Preview:
    """Nothing is written."""
    links = links_under(change).order_by("id")
    rows = rows_of(links[:LIMIT])
    asked = Asked(now, ZoneInfo(broker_now().time_zone))
    plans = plans_of({row.master_id for row in rows})
    before = _by_currency(rows, settle(rows, asked, plans))
    after = _by_currency(rows, settle(rows, asked, _with(plans, change)))
    totals = tuple(
        PreviewTotal(currency, n, fees, after.get(currency, (0, 0))[1])
        for currency, (n, fees) in sorted(before.items())
    )
    return Preview(links.count(), len(rows), totals)


def _with(plans: PlanBook, change: PlanChange) -> PlanBook:
    """The same book, the proposal in force from the beginning in its scope."""
    new = FeePlan(
        master=change.master, link=change.link, effective_from=date.min, terms=change.terms
    )
    made = PlanBook(dict(plans.by_link), dict(plans.by_master), list(plans.of_broker))
    if change.link_id is not None:
        made.by_link[change.link_id] = []
    elif change.master_id is not None:
        made.by_master[change.master_id] = []
    else:
        made.of_broker = []
    add_version(made, new)
    return made


def _by_currency(rows: list[LinkRow], settled: Settled) -> dict[str, tuple[int, int]]:
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        links, fees = sums.get(row.currency, (0, 0))
        sums[row.currency] = (links + 1, fees)
    for charge in settled.charges:
        links, fees = sums[charge.window.currency]
        sums[charge.window.currency] = (links, fees + charge.figures.fees_minor)
    return sums
