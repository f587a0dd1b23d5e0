"""A fee run: every link of a period charged once, however often and wherever it is run.

Posting goes by chunks of links, each one transaction: charge, shares, the mark's history, ledger,
statement, queued e-mail, audit. The run's row is locked meanwhile, so two runs take turns. Taking
the money (services.collect) and mail (services.mail) come after the commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from apps.accounts.models import Link, User
from apps.billing.compute import Charge, charge_for
from apps.billing.models import FeeRun
from apps.billing.periods import Period
from apps.billing.selectors.plans import plans_of, terms_of
from apps.billing.selectors.windows import windows
from apps.billing.services.posting import post_charges
from apps.billing.services.queue import COLLECT, DELIVER, after_commit
from apps.billing.states import RUN, step
from apps.core.errors import InputError
from tenants.door import current_broker
from tenants.models import Broker

CHUNK = 500


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a run posted now; `charges` are all of them in a dry run, the new ones else."""

    period: Period
    dry_run: bool
    charges: tuple[Charge, ...]
    already: int

    @property
    def fee_minor(self) -> dict[str, int]:
        """Σ fees by currency, minor units."""
        totals: dict[str, int] = {}
        for charge in self.charges:
            currency = charge.window.currency
            totals[currency] = totals.get(currency, 0) + charge.figures.fee_minor
        return dict(sorted(totals.items()))


def broker_now() -> Broker:
    """The open schema's broker, with its brand. Raises TenantError("no_broker")."""
    broker: Broker = Broker.objects.select_related("brand").get(schema_name=current_broker())
    return broker


def run_fees(
    period: Period, *, dry_run: bool = False, actor: User | None = None, now: datetime | None = None
) -> RunResult:
    """Charge every link that has something to settle in `period` and was not charged in it yet.

    Raises InputError("period_running") when the period has not ended and this is no dry run.
    """
    now = now or timezone.now()
    broker = broker_now()
    if dry_run:
        end = min(period.ends_at, now)
        due = list(_due_links(period, FeeRun.objects.filter(key=period.key).first()))
        return RunResult(period, True, tuple(_charges(due, end, broker)), 0)
    if period.ends_at > now:
        raise InputError(
            "period_running",
            f"{period.key} ends {period.ends_at.isoformat()}: it can be shown, not yet settled.",
            period=period.key,
        )
    return _post(period, broker, actor, now)


def _post(period: Period, broker: Broker, actor: User | None, now: datetime) -> RunResult:
    run, _ = FeeRun.objects.get_or_create(
        key=period.key, defaults={"starts_at": period.starts_at, "ends_at": period.ends_at}
    )
    already = run.charges.count()
    made: list[Charge] = []
    tried: set[int] = set()
    while True:
        with transaction.atomic():
            run = FeeRun.objects.select_for_update().get(pk=run.pk)
            _move(run, "post")
            links = list(_due_links(period, run).exclude(id__in=tried)[:CHUNK])
            tried |= {link.id for link in links}
            charges = _charges(links, period.ends_at, broker)
            post_charges(run, charges, {link.id: link for link in links}, broker, actor, now)
            made += charges
            if len(links) < CHUNK:
                _move(run, "posted")
                FeeRun.objects.filter(pk=run.pk).update(posted_at=now)
            if charges:
                after_commit(COLLECT)
                after_commit(DELIVER)
        if len(links) < CHUNK:
            return RunResult(period, False, tuple(made), already)


def _move(run: FeeRun, event: str) -> None:
    run.state = step(RUN, run.state, event)
    run.save(update_fields=["state"])


def _due_links(period: Period, run: FeeRun | None) -> QuerySet[Link]:
    """Links that were joined before the period's end and are not charged in this run."""
    links = (
        Link.objects.select_related("account__owner", "account__server", "master__manager")
        .filter(joined_at__lt=period.ends_at)
        .filter(Q(left_at=None) | Q(left_at__gt=F("joined_at")))
        .order_by("id")
    )
    return links.exclude(fee_charges__run=run) if run else links


def _charges(links: Sequence[Link], end: datetime, broker: Broker) -> list[Charge]:
    """Charges of the links that have a window and a plan in force at its start."""
    plans = plans_of({link.master_id for link in links})
    by_id = {link.id: link for link in links}
    zone = ZoneInfo(broker.time_zone)
    made = []
    for window in windows(list(links), end):
        day = window.starts_at.astimezone(zone).date()
        plan = plans.at(by_id[window.link_id].master_id, day)
        if plan is not None:
            made.append(charge_for(window, terms_of(plan)))
    return made
