"""Which fee plan is in force: the link's own, else its master's, else the broker's."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

from django.db.models import Q, QuerySet

from apps.accounts.models import Link
from apps.billing.compute import Kind
from apps.billing.models import FeePlan, PlanChange
from apps.core.fees.terms import Every, FeeTerms

_MAIN = (Kind.PERFORMANCE, Kind.MANAGEMENT, Kind.VOLUME)


@dataclass(frozen=True, slots=True)
class Version:
    """A plan's version, read once."""

    plan_id: int
    effective_from: date
    fees: FeeTerms
    plan: FeePlan


@dataclass(slots=True)
class PlanBook:
    """All versions that can apply to some masters and their links, newest first."""

    by_link: dict[int, list[Version]] = field(default_factory=dict)
    by_master: dict[int, list[Version]] = field(default_factory=dict)
    of_broker: list[Version] = field(default_factory=list)

    def at(self, master_id: int, day: date, link_id: int | None = None) -> Version | None:
        """The version in force on `day`; None when nothing is charged then."""
        for versions in self._levels(master_id, link_id):
            for version in versions:
                if version.effective_from <= day:
                    return version
        return None

    def begins(self, master_id: int, day: date, link_id: int, kind: Kind) -> date | None:
        """The first day after `day` on which a plan with this kind of fee comes into force."""
        days = sorted(
            version.effective_from
            for versions in self._levels(master_id, link_id)
            for version in versions
            if version.effective_from > day
        )
        for later in days:
            version = self.at(master_id, later, link_id)
            if version is not None and every_of(version.fees, kind) is not None:
                return later
        return None

    def versions(self, master_id: int) -> list[Version]:
        return self.by_master.get(master_id, [])

    def _levels(self, master_id: int, link_id: int | None) -> Iterable[list[Version]]:
        if link_id is not None and link_id in self.by_link:
            yield self.by_link[link_id]
        if master_id in self.by_master:
            yield self.by_master[master_id]
        yield self.of_broker


def every_of(fees: FeeTerms, kind: Kind) -> Every | None:
    """How often the plan settles this kind; None when it does not charge it."""
    match kind:
        case Kind.PERFORMANCE:
            return fees.performance.every if fees.performance else None
        case Kind.MANAGEMENT:
            return fees.management.every if fees.management else None
        case Kind.VOLUME | Kind.REBATE:
            return fees.volume.every if fees.volume else None
        case Kind.MINIMUM:
            return fees.minimum_every if fees.minimum else None
        case _:
            return None


def plans_of(master_ids: Iterable[int]) -> PlanBook:
    masters = list(master_ids)
    of_broker = Q(master=None, link=None)
    plans = FeePlan.objects.filter(
        of_broker | Q(master_id__in=masters) | Q(link__master_id__in=masters)
    ).order_by("-effective_from", "-pk")
    book = PlanBook()
    for plan in plans:
        add_version(book, plan)
    return book


def add_version(book: PlanBook, plan: FeePlan) -> None:
    """`plan` joins the book: the newest of its scope where none begins later."""
    version = Version(plan.pk or 0, plan.effective_from, plan.fees, plan)
    if plan.link_id is not None:
        versions = book.by_link.setdefault(plan.link_id, [])
    elif plan.master_id is not None:
        versions = book.by_master.setdefault(plan.master_id, [])
    else:
        versions = book.of_broker
    versions.append(version)
    versions.sort(key=lambda one: one.effective_from, reverse=True)


def schedules_in_use() -> set[Every]:
    """The periods that some plan settles by."""
    found: set[Every] = set()
    for plan in FeePlan.objects.all():
        fees = plan.fees
        found |= {every for kind in (*_MAIN, Kind.MINIMUM) if (every := every_of(fees, kind))}
    return found


def links_under(plan: FeePlan | PlanChange) -> QuerySet[Link]:
    """The joined links that a plan of this scope can apply to, detached ones left out."""
    links = Link.objects.exclude(joined_at=None).exclude(status=Link.Status.DETACHED)
    if plan.link_id is not None:
        return links.filter(pk=plan.link_id)
    if plan.master_id is not None:
        return links.filter(master_id=plan.master_id)
    return links


def open_changes() -> QuerySet[PlanChange]:
    """Proposals that wait for a second person, the oldest first."""
    return (
        PlanChange.objects.filter(state=PlanChange.State.PROPOSED)
        .select_related("master", "link__account", "link__master", "proposed_by")
        .order_by("proposed_at", "pk")
    )
