"""A fee run: every link of a period charged once, however often and wherever it is run.

Posting goes by chunks of links, each one transaction: charges, shares, the mark's history, ledger,
statements, queued e-mail, audit. The run's row is locked meanwhile, so two runs take turns; a run
that was killed goes on where its last chunk ended. Taking the money (services.collect) and mail
(services.mail) come after the commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.accounts.models import Link, User
from apps.billing.broker import broker_now
from apps.billing.compute import Charge
from apps.billing.models import FeeRun
from apps.billing.periods import Period
from apps.billing.selectors.settling import settle
from apps.billing.selectors.spans import Asked, joined_before, rows_of
from apps.billing.services.posting import keep_days, post_charges
from apps.billing.services.queue import COLLECT, DELIVER, after_commit
from apps.billing.states import RUN, step
from apps.core.errors import InputError
from tenants.door import current_broker
from tenants.models import Broker

CHUNK = 2_000

Held = tuple[int, str]  # link id, code


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run posted now; `charges` are all of them in a dry run, the new ones else."""

    period: Period
    dry_run: bool
    charges: tuple[Charge, ...]
    already: int
    held: tuple[Held, ...] = ()

    @property
    def fee_minor(self) -> dict[str, int]:
        """Σ fees by currency, minor units."""
        totals: dict[str, int] = {}
        for charge in self.charges:
            currency = charge.window.currency
            totals[currency] = totals.get(currency, 0) + charge.figures.fees_minor
        return dict(sorted(totals.items()))


def run_fees(
    period: Period, *, dry_run: bool = False, actor: User | None = None, now: datetime | None = None
) -> RunResult:
    """Charge every link that has something to settle in `period` and was not charged in it yet.

    Raises InputError("period_running") when the period has not ended and this is no dry run.
    """
    now = now or timezone.now()
    broker = broker_now()
    zone = ZoneInfo(broker.time_zone)
    if dry_run:
        run = FeeRun.objects.filter(key=period.key).first()
        end = min(period.ends_at, now)
        asked = Asked(end, zone, period.every, since=period.starts_at)
        found = settle(rows_of(_due(period.ends_at, run)), asked)
        return RunResult(period, True, found.charges, 0, found.held)
    if period.ends_at > now:
        raise InputError(
            "period_running",
            f"{period.key} ends {period.ends_at.isoformat()}: it can be shown, not yet settled.",
            period=period.key,
        )
    run, _ = FeeRun.objects.get_or_create(
        key=period.key,
        defaults={
            "starts_at": period.starts_at,
            "ends_at": period.ends_at,
            "every": period.every,
        },
    )
    asked = Asked(period.ends_at, zone, period.every, since=period.starts_at)
    return post_run(run, period, asked, broker, actor, now)


def post_run(
    run: FeeRun, period: Period, asked: Asked, broker: Broker, actor: User | None, now: datetime
) -> RunResult:
    """Post what is missing of the run, chunk by chunk, and mark it posted."""
    already = run.charges.count()
    made: list[Charge] = []
    held: list[Held] = []
    ends = asked.ends or {}
    total = len(ends) if asked.ends is not None else _due(asked.until, None).count()
    last_id, is_last = 0, False
    while not is_last:
        with transaction.atomic():
            lock_settling()
            run = FeeRun.objects.select_for_update().get(pk=run.pk)
            due = _due(asked.until, run, ends if asked.ends is not None else None)
            links = rows_of(due.filter(id__gt=last_id)[:CHUNK])
            is_last = len(links) < CHUNK
            found = settle(links, asked)
            keep_days(found.new_days)
            post_charges(run, found.charges, broker, actor, now)
            made += found.charges
            held += found.held
            _advance(run, total, is_last, links[-1].id if links else 0, held, now)
            if found.charges:
                after_commit(COLLECT)
                after_commit(DELIVER)
        last_id = links[-1].id if links else last_id
    return RunResult(period, False, tuple(made), already, tuple(held))


def lock_settling() -> None:
    """One settlement at a time in a broker, whatever run it is for: a window is read and charged
    by one transaction after the other. Until the transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtext(%s))", [f"settling:{current_broker()}"]
        )


def _advance(
    run: FeeRun, total: int, is_last: bool, last_id: int, held: Sequence[Held], now: datetime
) -> None:
    run.state = step(RUN, run.state, "post")
    run.links_total = total
    if is_last:
        run.state = step(RUN, run.state, "posted")
        run.posted_at, run.links_done, run.held = now, total, [list(one) for one in held]
    else:
        run.links_done = _due(run.ends_at, None).filter(id__lte=last_id).count()
    run.touched_at = now
    run.save(
        update_fields=["state", "links_total", "links_done", "posted_at", "held", "touched_at"]
    )


def _due(
    until: datetime, run: FeeRun | None, ends: Mapping[int, datetime] | None = None
) -> QuerySet[Link]:
    """Links that were joined before `until` (of those given) and are not charged in this run."""
    links = joined_before(until)
    if ends is not None:
        links = links.filter(id__in=list(ends))
    return links.exclude(fee_charges__run=run) if run else links
