"""What the schedule looks after: ended periods, stopped runs, who withdrew or left."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.billing.models import FeeCharge, FeeRun, HighWaterMark
from apps.billing.services.attending import resume_runs, run_ended
from apps.billing.services.events import settle_events
from apps.billing.tasks import attend
from tenants.models import Broker
from tests.billing.history import History, plan, utc
from tests.billing.test_fee_kinds import charge
from tests.billing.test_fee_runs import settle

NOV = utc("2026-11-01 00:31")


def test_the_schedule_runs_what_ended_by_every_period_in_use(in_acme: Broker) -> None:
    monthly, quarterly = History(1_000_000, joined="2026-09-01 00:00"), History(1_000_000)
    charge(monthly, performance={"rate": "0.2"})
    charge(quarterly, performance={"rate": "0.2", "every": "quarter"})
    assert [result.period.key for result in run_ended(NOV)] == ["2026-10", "2026-Q3"]
    assert [result.period.key for result in run_ended(NOV)] == []
    assert FeeCharge.objects.filter(link=monthly.link).count() == 1
    assert not FeeCharge.objects.filter(link=quarterly.link).exists()
    assert [result.period.key for result in run_ended(utc("2027-01-01 00:31"))] == [
        "2026-12", "2026-Q4",
    ]  # fmt: skip
    assert FeeCharge.objects.filter(link=quarterly.link).count() == 1


def test_the_brokers_own_midnight_ends_a_period(in_acme: Broker) -> None:
    in_acme.time_zone = "Asia/Tokyo"
    in_acme.save(update_fields=["time_zone"])
    history = History(1_000_000)
    plan(history.master)
    assert run_ended(utc("2026-10-31 14:59"))[0].period.key == "2026-09"
    (result,) = run_ended(utc("2026-10-31 15:01"))
    assert (result.period.key, result.period.ends_at) == ("2026-10", utc("2026-10-31 15:00"))


def test_a_run_whose_request_was_lost_is_taken_up(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    FeeRun.objects.create(
        key="2026-10", starts_at=utc("2026-10-01 00:00"), ends_at=utc("2026-11-01 00:00")
    )
    assert resume_runs() == 0  # a worker may be about to take it
    assert resume_runs(timezone.now() + timedelta(minutes=2)) == 1
    assert FeeRun.objects.get().state == "posted"
    assert FeeCharge.objects.get().amount_minor == 10_000


def test_a_withdrawal_is_settled_at_once_and_only_once(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 100_000)
    history.flow("2026-10-11 12:00", -540_000)
    assert settle_events(utc("2026-10-11 12:00:30")) is None  # its moment is not complete yet
    result = settle_events(utc("2026-10-11 12:05"))
    assert result is not None
    assert [one.figures.fee_minor for one in result.charges] == [20_000]
    assert settle_events(utc("2026-10-11 12:06")) is None
    run = FeeRun.objects.get()
    assert (run.kind, run.state) == ("events", "posted")
    assert HighWaterMark.objects.filter(link=history.link).latest("id").after == 540_000
    settle("2026-10")
    rows = FeeCharge.objects.filter(link=history.link).order_by("id")
    assert [row.amount_minor for row in rows] == [20_000, 0]
    assert rows[1].window_from == utc("2026-10-11 12:00")


def test_settled_at_once_or_at_the_periods_end_the_fees_are_the_same(in_acme: Broker) -> None:
    totals = []
    for at_once in (True, False):
        history = History(1_000_000)
        plan(history.master)
        history.realise("2026-10-10 12:00", 100_003)
        history.flow("2026-10-11 12:00", -333_333)
        if at_once:
            settle_events(utc("2026-10-11 12:05"))
        history.realise("2026-10-20 12:00", -50_000)
        history.flow("2026-10-21 12:00", -100_000)
        history.realise("2026-10-25 12:00", 90_001)
        if at_once:
            settle_events(utc("2026-10-21 12:05"))
        settle("2026-10")
        rows = FeeCharge.objects.filter(link=history.link)
        totals.append((sum(row.amount_minor for row in rows), rows.latest("id").hwm_after))
    assert totals[0] == totals[1]


def test_who_leaves_is_settled_at_once_with_every_fee(in_acme: Broker) -> None:
    history = History(1_000_000)
    charge(
        history, performance={"rate": "0.2", "every": "quarter"}, exit={"days": 90, "rate": "0.01"}
    )
    history.realise("2026-10-10 12:00", 100_000)
    history.link.status, history.link.left_at = "detached", utc("2026-10-12 00:00")
    history.link.save()
    settle_events(utc("2026-10-12 00:05"))
    rows = FeeCharge.objects.filter(link=history.link)
    assert {row.kind: row.amount_minor for row in rows} == {"exit": 11_000, "performance": 17_800}
    assert settle_events(utc("2026-10-12 00:07")) is None


@pytest.mark.parametrize(
    "performance",
    [
        {"rate": "0.2", "full_crystallisation": False},
        {"rate": "0.2", "lookback_periods": 3},
    ],
)
def test_plans_that_do_not_crystallise_whole_wait_for_the_periods_end(
    in_acme: Broker, performance: dict[str, object]
) -> None:
    history = History(1_000_000)
    charge(history, performance=performance)
    history.realise("2026-10-10 12:00", 100_000)
    history.flow("2026-10-11 12:00", -540_000)
    assert settle_events(utc("2026-10-11 12:05")) is None


def test_a_stopped_run_of_events_is_closed_and_found_anew(in_acme: Broker) -> None:
    stopped = FeeRun.objects.create(
        key="2026-10/x", kind="events", starts_at=utc("2026-10-11 12:00"),
        ends_at=utc("2026-10-11 12:00"), state="posting", touched_at=utc("2026-10-11 12:00"),
    )  # fmt: skip
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 100_000)
    history.flow("2026-10-11 12:00", -540_000)
    assert resume_runs() == 1
    stopped.refresh_from_db()
    assert stopped.state == "posted"
    settle_events(utc("2026-10-11 12:05"))
    assert FeeCharge.objects.get().amount_minor == 20_000


def test_the_task_of_every_minute_says_what_it_did(in_acme: Broker) -> None:
    assert attend().startswith("acme: 0 resumed, no events")


def test_progress_is_kept_with_the_run(in_acme: Broker) -> None:
    first = History(1_000_000)
    plan(first.master)
    for _ in range(4):
        History(1_000_000, to=first.master)
    result = settle("2026-10")
    run = FeeRun.objects.get()
    assert (run.links_total, run.links_done, len(result.charges)) == (5, 5, 5)
    assert len(set(FeeCharge.objects.values_list("link_id", flat=True))) == 5
