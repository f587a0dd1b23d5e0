"""A person asks for a fee run; a worker posts it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from apps.accounts.audit import audit
from apps.accounts.models import User
from apps.billing.models import FeeRun
from apps.billing.periods import Period
from apps.billing.services.queue import RUN_FEES, after_commit
from apps.core.errors import InputError

# A second click is no second wish; later than this the first request may have been lost.
REPEAT = timedelta(seconds=30)


def request_run(
    actor: User, period: Period, *, request_id: str = "", now: datetime | None = None
) -> FeeRun:
    """The run of a month, queued to be posted in `actor`'s name. Repeating it charges nobody twice.

    Raises InputError("period_running") when the period has not ended.
    """
    now = now or timezone.now()
    if period.ends_at > now:
        raise InputError(
            "period_running",
            f"{period.key} has not ended: it can be shown, not yet posted.",
            period=period.key,
        )
    with transaction.atomic():
        run, is_new = FeeRun.objects.select_for_update().get_or_create(
            key=period.key,
            defaults={
                "starts_at": period.starts_at,
                "ends_at": period.ends_at,
                "every": period.every,
            },
        )
        waits = run.state == FeeRun.State.CREATED and now - run.created_at < REPEAT
        if is_new or not waits:
            audit(
                actor,
                "fees.request",
                f"fee_run:{run.public_id}",
                after={"period": run.key},
                request_id=request_id,
            )
            after_commit(RUN_FEES, kwargs={"period": run.key, "actor_id": actor.pk})
    return run
