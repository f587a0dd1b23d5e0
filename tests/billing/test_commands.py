"""manage.py run_fees and ensure_schedules: what they print, how they exit; the tasks' tenancy."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask

from apps.billing.models import FeeCharge, FeeRun
from apps.billing.schedules import ensure_schedules
from apps.billing.tasks import deliver_due, run_fees_task
from tenants.door import broker_schema, public_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tests.billing.history import History, plan


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("run_fees", *args, stdout=out)
    return out.getvalue()


@pytest.fixture
def owing(in_acme: Broker) -> History:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    return history


def test_a_dry_run_prints_every_figure(owing: History) -> None:
    said = run("--broker", "acme", "--period", "2026-10", "--dry-run")
    assert "equity 10,500.00 mark 10,000.00 fee 100.00 USD" in said
    assert "nothing was written" in said
    assert not FeeRun.objects.exists()


def test_an_unknown_collection_is_told_by_exit_status_3(owing: History) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--broker", "acme", "--period", "2026-10")
    assert caught.value.code == 3
    assert FeeCharge.objects.get().amount_minor == 10_000


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--broker", "nobody", "--period", "2026-10"), "broker_unknown"),
        (("--broker", "acme", "--period", "2026-13"), "period_invalid"),
        (("--broker", "acme", "--period", "9000-01"), "period_running"),
        (
            ("--broker", "acme", "--period", "2026-10", "--until", "2026-10-05T00:00:00"),
            "period_invalid",
        ),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    acme: Broker, args: tuple[str, ...], code: str
) -> None:
    with pytest.raises(CommandError, match=code):
        run(*args)


def test_a_task_without_a_broker_stops(db: None) -> None:
    with public_schema(), pytest.raises(TenantError):
        run_fees_task("2026-10")
    with public_schema(), pytest.raises(TenantError):
        deliver_due()


def test_a_task_charges_its_own_broker_alone(owing: History, globex: Broker) -> None:
    with broker_schema("globex"):
        run_fees_task("2026-10")
        assert not FeeCharge.objects.exists()
    run_fees_task("2026-10")
    assert FeeCharge.objects.count() == 1


def test_every_broker_has_its_jobs_by_name_and_twice_makes_no_more(
    acme: Broker, globex: Broker
) -> None:
    with public_schema():
        names = ensure_schedules()
        assert ensure_schedules() == names
        jobs = PeriodicTask.objects.filter(name__startswith="acme: billing.")
        assert jobs.count() == 6
        assert {json.loads(job.headers)["_schema_name"] for job in jobs} == {"acme"}
        nightly = jobs.get(task="billing.run_fees")
        assert (nightly.crontab.hour, str(nightly.crontab.timezone)) == ("0", "UTC")
