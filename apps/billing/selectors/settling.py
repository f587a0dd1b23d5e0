"""From links to what they owe: spans, windows, charges. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from apps.billing.compute import Charge, HeldError, charge_for
from apps.billing.selectors.daily import Day
from apps.billing.selectors.plans import PlanBook, plans_of
from apps.billing.selectors.spans import Asked, LinkRow, spans
from apps.billing.selectors.windows import windows


@dataclass(frozen=True, slots=True)
class Settled:
    """held: (link id, code) of links that cannot be settled now; new_days: days of equity that
    the management fees accrue on and nobody kept yet."""

    charges: tuple[Charge, ...]
    held: tuple[tuple[int, str], ...]
    new_days: tuple[Day, ...]


def settle(links: Sequence[LinkRow], asked: Asked, plans: PlanBook | None = None) -> Settled:
    """What the links owe as `asked`, under `plans` (default: those in force)."""
    plans = plans or plans_of({link.master_id for link in links})
    charges: list[Charge] = []
    held: list[tuple[int, str]] = []
    days: list[Day] = []
    due: dict[int, int] = {}  # by link: what its earlier span owes
    for found in windows(spans(links, asked, plans), asked):
        link, version = found.span.link, found.span.version
        try:
            charge = charge_for(
                found.window, version.plan_id, version.fees, link.manager_id, due.get(link.id, 0)
            )
        except HeldError as error:
            held.append((link.id, error.code))
            continue
        charges.append(charge)
        days += found.new_days
        due[link.id] = due.get(link.id, 0) + charge.figures.fees_minor
    skipped = {link for link, _ in held}
    whole = tuple(charge for charge in charges if charge.window.link_id not in skipped)
    return Settled(whole, tuple(held), tuple(days))
