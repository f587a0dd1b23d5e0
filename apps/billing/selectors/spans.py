"""Which links settle which kinds of fee in a run, and from when on: no money is read here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import connection
from django.db.models import F, Q, QuerySet

from apps.accounts.models import Link
from apps.billing.arrays import array
from apps.billing.compute import Kind
from apps.billing.selectors.plans import PlanBook, Version, every_of
from apps.core.fees.terms import Every

MAIN = (Kind.PERFORMANCE, Kind.MANAGEMENT, Kind.VOLUME)
AT_WITHDRAWAL = (Kind.MANAGEMENT, Kind.PERFORMANCE)

# A volume fee is charged under one of two names.
_SETTLED = """
SELECT l, k, (SELECT max(c.window_to) FROM billing_feecharge c
              WHERE c.link_id = l AND c.kind = ANY (CASE WHEN k = 'volume'
                  THEN ARRAY['volume', 'rebate'] ELSE ARRAY[k] END))
FROM unnest(%s::bigint[]) l, unnest(ARRAY['performance', 'management', 'volume']) k
"""

_JOINED_BEFORE = """
SELECT DISTINCT l.id FROM accounts_link l
JOIN accounts_link o ON o.account_id = l.account_id AND o.master_id = l.master_id
JOIN billing_feecharge c ON c.link_id = o.id AND c.kind = 'joining'
WHERE l.id = ANY(%s::bigint[])
"""


class LinkRow(NamedTuple):
    """What a run needs of a link."""

    id: int
    account_id: int
    master_id: int
    manager_id: int
    owner_id: int | None
    server_id: int
    currency: str
    joined_at: datetime
    left_at: datetime | None


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a link's time with the kinds that settle in it, under one version."""

    link: LinkRow
    starts_at: datetime
    ends_at: datetime
    kinds: frozenset[Kind]
    version: Version


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be settled: up to `until`, the kinds that are due `every` (None: all of them).

    ends: where given, each link's own moment: of a withdrawal, or of leaving.
    """

    until: datetime
    zone: ZoneInfo
    every: Every | None = None
    ends: Mapping[int, datetime] | None = None
    since: datetime | None = None  # the period's own start: what a minimum is measured by


def rows_of(links: QuerySet[Link]) -> list[LinkRow]:
    """The joined ones of `links`, in their order."""
    fields = (
        "id", "account_id", "master_id", "master__manager_id", "account__owner_id",
        "account__server_id", "account__currency", "joined_at", "left_at",
    )  # fmt: skip
    return [LinkRow._make(row) for row in links.values_list(*fields) if row[7] is not None]


def joined_before(moment: datetime) -> QuerySet[Link]:
    """Links that followed for some time before `moment`, in order of id."""
    return (
        Link.objects.filter(joined_at__lt=moment)
        .filter(Q(left_at=None) | Q(left_at__gt=F("joined_at")))
        .order_by("id")
    )


def spans(links: Sequence[LinkRow], asked: Asked, plans: PlanBook) -> list[Span]:
    """In the links' order; of one link the span that began first comes first."""
    if not links:
        return []
    settled = _settled(links)
    joined = _joining_charged(links) if _has_joining(plans) else set()
    found: list[Span] = []
    for link in links:
        end = min(asked.ends[link.id], asked.until) if asked.ends else asked.until
        leaves = link.left_at is not None and link.left_at <= end
        if link.left_at is not None:
            end = min(end, link.left_at)
        by_start: dict[datetime, tuple[Version, set[Kind]]] = {}
        for kind in AT_WITHDRAWAL if asked.ends and not leaves else MAIN:
            start = max(settled.get((link.id, kind)) or link.joined_at, link.joined_at)
            begun = _in_force(link, kind, start, end, asked, plans)
            if begun is None:
                continue
            start, version, every = begun
            if leaves or asked.every in (None, every):
                by_start.setdefault(start, (version, set()))[1].add(kind)
        for start in sorted(by_start):
            version, kinds = by_start[start]
            if start == link.joined_at and version.fees.joining and link.id not in joined:
                kinds.add(Kind.JOINING)
            found.append(Span(link, start, end, frozenset(kinds), version))
        if by_start:
            _add_last(found, asked, leaves)
    return found


def _in_force(
    link: LinkRow, kind: Kind, start: datetime, end: datetime, asked: Asked, plans: PlanBook
) -> tuple[datetime, Version, Every] | None:
    """Where the kind's window starts, under which version; None when nothing is to settle.

    A plan that came after the link did begins at its own first day.
    """
    day = start.astimezone(asked.zone).date()
    version = plans.at(link.master_id, day, link.id)
    every = every_of(version.fees, kind) if version else None
    if version is None or every is None:
        begins = plans.begins(link.master_id, day, link.id, kind)
        if begins is None:
            return None
        start = _midnight(begins, asked.zone)
        version = plans.at(link.master_id, begins, link.id)
        every = every_of(version.fees, kind) if version else None
    if start >= end or version is None or every is None:
        return None
    return start, version, every


def _add_last(found: list[Span], asked: Asked, leaves: bool) -> None:
    """What comes once at the end of a link's spans: the minimum of a period, the exit fee."""
    last = found[-1]
    fees, kinds = last.version.fees, set(last.kinds)
    if leaves and fees.exit:
        kinds.add(Kind.EXIT)
    if not leaves and not asked.ends and fees.minimum and asked.every is fees.minimum_every:
        kinds.add(Kind.MINIMUM)
    if kinds != last.kinds:
        found[-1] = Span(last.link, last.starts_at, last.ends_at, frozenset(kinds), last.version)


def _settled(links: Iterable[LinkRow]) -> dict[tuple[int, str], datetime]:
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED, [array(link.id for link in links)])
        return {(link, kind): at for link, kind, at in cursor.fetchall() if at is not None}


def _joining_charged(links: Iterable[LinkRow]) -> set[int]:
    with connection.cursor() as cursor:
        cursor.execute(_JOINED_BEFORE, [array(link.id for link in links)])
        return {row[0] for row in cursor.fetchall()}


def _has_joining(plans: PlanBook) -> bool:
    levels = (*plans.by_link.values(), *plans.by_master.values(), plans.of_broker)
    return any(version.fees.joining for versions in levels for version in versions)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time.min, zone)
