"""What the schedule looks after: periods that ended, runs that stopped half way, daily accrual."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils import timezone

from apps.accounts.models import Link
from apps.billing.broker import broker_now
from apps.billing.models import FeeRun
from apps.billing.periods import Period, ended_before
from apps.billing.selectors.plans import schedules_in_use
from apps.billing.selectors.settling import settle
from apps.billing.selectors.spans import Asked, joined_before, rows_of
from apps.billing.services.posting import keep_days
from apps.billing.services.runs import RunResult, run_fees
from apps.billing.states import RUN, step
from apps.core.fees.terms import Every

SILENT = timedelta(seconds=60)  # a run that posts touches its row every few seconds
CHUNK = 2_000


def run_ended(now: datetime | None = None) -> list[RunResult]:
    """Run the last ended period of every kind that a plan settles by, the short ones first."""
    now = now or timezone.now()
    zone = ZoneInfo(broker_now().time_zone)
    in_use = schedules_in_use()
    done = []
    for every in Every:
        if every not in in_use:
            continue
        period = ended_before(every, now, zone)
        if not FeeRun.objects.filter(key=period.key, state=FeeRun.State.POSTED).exists():
            done.append(run_fees(period, now=now))
    return done


def resume_runs(now: datetime | None = None) -> int:
    """Take up runs whose request was lost with the queue, or whose worker was killed; how many.

    Of withdrawals and leavers nothing is resumed: who is missing is found anew.
    """
    now = now or timezone.now()
    before = now - SILENT
    waiting = FeeRun.objects.exclude(state=FeeRun.State.POSTED).filter(
        Q(touched_at__lt=before) | Q(touched_at=None, created_at__lt=before)
    )
    count = 0
    for run in waiting.order_by("created_at", "pk"):
        count += 1
        if run.kind == FeeRun.Kind.EVENTS:
            _close(run, now)
            continue
        run_fees(Period(run.key, run.starts_at, run.ends_at, Every(run.every)), now=now)
    return count


def accrue(now: datetime | None = None) -> int:
    """Keep the equity of every day that ended, for the links whose management fee accrues on it;
    how many days. Safe to repeat: a day kept stays as it is."""
    now = now or timezone.now()
    zone = ZoneInfo(broker_now().time_zone)
    midnight = datetime.combine(now.astimezone(zone).date(), datetime.min.time(), zone)
    kept, last_id = 0, 0
    while True:
        links = joined_before(midnight).exclude(status=Link.Status.DETACHED)
        rows = rows_of(links.filter(id__gt=last_id)[:CHUNK])
        if not rows:
            return kept
        days = settle(rows, Asked(midnight, zone)).new_days
        keep_days(days)
        kept, last_id = kept + len(days), rows[-1].id


def _close(run: FeeRun, now: datetime) -> None:
    state = step(RUN, step(RUN, run.state, "post"), "posted")
    FeeRun.objects.filter(pk=run.pk, state=run.state).update(state=state, posted_at=now)
