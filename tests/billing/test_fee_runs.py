"""The reference cases through the whole path: history → windows → run → charge, mark, ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Sum

from apps.allocation.models import CashFlow
from apps.billing.models import Document, FeeCharge, FeeRun, FeeShare, HighWaterMark, Line
from apps.billing.periods import Period, month, until
from apps.billing.services.runs import RunResult, run_fees
from apps.core.errors import ConflictError, InputError
from tenants.models import Broker
from tests.billing.history import History, plan, utc

UTC_ZONE = ZoneInfo("UTC")
LATER = datetime(2027, 12, 1, tzinfo=UTC)


def settle(key: str, **options: Any) -> RunResult:
    return run_fees(month(key, UTC_ZONE), now=LATER, **options)


def take(history: History, at: str) -> None:
    """The last charge's fee leaves the account, as a collection would make it."""
    charge = FeeCharge.objects.filter(link=history.link).latest("id")
    if charge.amount_minor:
        row = charge.collections.create(
            number=1, command_id=charge.public_id, amount_minor=charge.amount_minor
        )
        history.flow(at, -charge.amount_minor, "fee", row.command_id)


def columns(history: History) -> list[tuple[int, int, Decimal]]:
    """(fee, equity after, mark after) of each charge."""
    return [
        (
            charge.amount_minor,
            charge.equity_minor - charge.amount_minor,
            charge.hwm_after or Decimal(0),
        )
        for charge in FeeCharge.objects.filter(link=history.link).order_by("id")
    ]


def cents(*amounts: str) -> list[Decimal]:
    return [Decimal(amount) * 100 for amount in amounts]


def test_f01_the_gross_mark_of_the_public_table(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    plan(history.master, "0.30", basis="gross")
    for number, equity in enumerate(["12000", "11000", "12500", "14000"], start=1):
        history.realise(f"2026-{number:02d}-20 12:00", int(Decimal(equity) * 100) - history.balance)
        settle(f"2026-{number:02d}")
        take(history, f"2026-{number + 1:02d}-01 00:30")
    rows = columns(history)
    assert [row[0] for row in rows] == cents("600", "0", "150", "450")
    assert [row[1] for row in rows] == cents("11400", "11000", "12350", "13550")
    assert [row[2] for row in rows] == cents("12000", "12000", "12500", "14000")


def test_f02_the_net_mark_with_the_same_results(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    plan(history.master, "0.30")
    for number, result in enumerate([2000, -400, 1500, 1650], start=1):
        history.realise(f"2026-{number:02d}-20 12:00", result * 100)
        settle(f"2026-{number:02d}")
        take(history, f"2026-{number + 1:02d}-01 00:30")
    rows = columns(history)
    assert [row[0] for row in rows] == cents("600", "0", "330", "495")
    assert [row[1] for row in rows] == cents("11400", "11000", "12170", "13325")
    assert [row[2] for row in rows] == cents("11400", "11400", "12170", "13325")


def test_f06_a_withdrawal_below_the_mark_lowers_it_in_proportion(in_acme: Broker) -> None:
    history = History(12_000, joined="2026-01-01 00:00")
    plan(history.master)
    history.realise("2026-01-10 12:00", -1_400)
    history.flow("2026-01-11 12:00", -4_000)
    settle("2026-01")
    mark = HighWaterMark.objects.get(link=history.link, reason="withdrawal")
    assert abs(mark.after / 100 - Decimal("74.7170")) < Decimal("0.0001")
    assert columns(history)[0][:2] == (0, 6_600)


def test_f10_loss_withdrawal_deposit_recovery(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    plan(history.master)
    history.realise("2026-01-10 12:00", 200_000)
    settle("2026-01")
    take(history, "2026-02-01 00:30")
    history.realise("2026-02-10 12:00", -232_000)
    settle("2026-02")
    history.flow("2026-03-02 12:00", -232_000)
    history.flow("2026-03-03 12:00", 300_000)
    history.realise("2026-03-10 12:00", 224_000)
    settle("2026-03")
    assert columns(history) == [
        (40_000, 1_160_000, Decimal(1_160_000)),
        (0, 928_000, Decimal(1_160_000)),
        (10_000, 1_210_000, Decimal(1_210_000)),
    ]
    history_of_mark = HighWaterMark.objects.filter(link=history.link, reason="withdrawal")
    assert history_of_mark.get().after == 870_000


def test_a_second_run_charges_nothing_and_changes_nothing(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    assert len(settle("2026-10").charges) == 1
    before = list(FeeCharge.objects.values()), Document.objects.count(), Line.objects.count()
    again = settle("2026-10")
    assert (again.charges, again.already) == ((), 1)
    assert (
        list(FeeCharge.objects.values()),
        Document.objects.count(),
        Line.objects.count(),
    ) == before
    assert FeeRun.objects.get().state == "posted"


def test_a_dry_run_shows_the_same_figures_and_writes_nothing(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 123_457)
    shown = settle("2026-10", dry_run=True)
    assert not FeeRun.objects.exists()
    assert not FeeCharge.objects.exists()
    posted = settle("2026-10")
    assert [charge.figures for charge in shown.charges] == [c.figures for c in posted.charges]


def test_one_statement_closes_where_the_next_one_opens_and_each_adds_up(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-05 00:00")
    plan(history.master)
    history.realise("2026-01-10 12:00", 77_777)
    history.mark("2026-01-31 23:59", floating=12_345)
    settle("2026-01")
    take(history, "2026-02-01 00:31")
    history.flow("2026-02-03 12:00", 5_000)
    history.realise("2026-02-10 12:00", -3_210)
    history.mark("2026-02-28 23:59", floating=-2_000)
    settle("2026-02")
    first, second = (charge.figures for charge in FeeCharge.objects.order_by("id"))
    assert first["closing_minor"] == second["opening_minor"]
    for figures in (first, second):
        assert figures["other_minor"] == 0
        assert figures["equity_minor"] == sum(
            figures[name]
            for name in (
                "opening_minor", "deposits_minor", "withdrawals_minor", "realised_minor",
                "floating_change_minor",
            )
        )  # fmt: skip


def test_a_fee_not_yet_taken_is_not_charged_as_a_gain(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    plan(history.master)
    history.realise("2026-01-10 12:00", 100_000)
    settle("2026-01")
    settle("2026-02")  # the January fee stands in the account all through February
    assert [row[0] for row in columns(history)] == [20_000, 0]


def test_a_gain_is_crystallised_before_a_withdrawal_and_charged_once(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    plan(history.master)
    history.realise("2026-01-10 12:00", 100_000)
    history.flow("2026-01-11 12:00", -540_000)
    settle("2026-01")
    charge = FeeCharge.objects.get()
    assert charge.amount_minor == 20_000
    # 1,100,000 − 20,000 fee = 1,080,000, of which half goes
    assert charge.hwm_after == 540_000


def test_the_run_waits_for_the_periods_end(in_acme: Broker) -> None:
    History(1_000_000)
    with pytest.raises(InputError) as caught:
        run_fees(month("2026-10", UTC_ZONE), now=utc("2026-10-31 23:59"))
    assert caught.value.code == "period_running"
    assert not FeeRun.objects.exists()


@pytest.mark.parametrize("key", ["2026-13", "2026", "26-10", "2026-1", "october", "2026-10-01"])
def test_a_bad_period_is_refused(key: str) -> None:
    with pytest.raises(InputError) as caught:
        month(key, UTC_ZONE)
    assert caught.value.code == "period_invalid"


def test_an_interim_settlement_leaves_the_rest_to_the_month(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    interim: Period = until(month("2026-10", UTC_ZONE), utc("2026-10-15 00:00"))
    run_fees(interim, now=LATER)
    history.realise("2026-10-20 12:00", 50_000)
    settle("2026-10")
    assert [row[0] for row in columns(history)] == [10_000, 10_000]


def test_the_shares_add_up_to_the_fee_and_the_ledger_to_zero(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master, "0.2", "0.7")
    history.realise("2026-10-10 12:00", 33_335)
    settle("2026-10")
    charge = FeeCharge.objects.get()
    shares = dict(FeeShare.objects.values_list("party", "amount_minor"))
    assert charge.amount_minor == 6_667
    assert shares == {"manager": 4_666, "broker": 2_001}
    assert Line.objects.aggregate(total=Sum("amount_minor"))["total"] == 0


def test_a_plan_change_does_not_reach_into_what_was_settled(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master, "0.20")
    settle("2026-10")
    with pytest.raises(ConflictError) as caught:
        plan(history.master, "0.50", start="2026-10-15")
    assert caught.value.code == "period_settled"
    plan(history.master, "0.50", start="2026-11-01")
    history.realise("2026-11-10 12:00", 10_000)
    settle("2026-11")
    assert [row[0] for row in columns(history)] == [0, 5_000]


def test_bonus_credit_is_no_gain_and_no_deposit(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.flow("2026-10-05 12:00", 100_000, CashFlow.Kind.CREDIT)
    settle("2026-10")
    assert columns(history) == [(0, 1_000_000, Decimal(1_000_000))]


def test_who_left_is_settled_up_to_then(in_acme: Broker) -> None:
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 10_000)
    history.link.status, history.link.left_at = "detached", utc("2026-10-12 00:00")
    history.link.save()
    history.realise("2026-10-20 12:00", 90_000)
    settle("2026-10")
    assert columns(history)[0][0] == 2_000
    assert len(settle("2026-11").charges) == 0


def test_money_that_moved_after_the_last_point_is_in_the_equity(in_acme: Broker) -> None:
    """A deposit half a minute before the period's end: no point has seen it yet."""
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", 50_000)
    history.balance += 300_000
    CashFlow.objects.create(
        command_id=history.link.public_id, account_id=history.account_id, kind="deposit",
        amount_minor=300_000, at=utc("2026-10-31 23:59:30"), seq=999,
    )  # fmt: skip
    settle("2026-10")
    assert columns(history) == [(10_000, 1_340_000, Decimal(1_340_000))]


def test_a_point_that_already_holds_a_flow_is_not_taken_for_before_it(in_acme: Broker) -> None:
    """The recorder stamps whole seconds: 12:00:05 may hold a withdrawal of 12:00:05.7."""
    history = History(1_000_000)
    plan(history.master)
    history.realise("2026-10-10 12:00", -200_000)
    CashFlow.objects.create(
        command_id=history.link.public_id, account_id=history.account_id, kind="withdrawal",
        amount_minor=-400_000, at=utc("2026-10-11 12:00:05.700"), seq=999,
    )  # fmt: skip
    history.balance -= 400_000
    history.mark("2026-10-11 12:00:05")
    history.mark("2026-10-11 12:01:00")
    settle("2026-10")
    charge = FeeCharge.objects.get()
    assert charge.hwm_after == 500_000  # 1,000,000 · (800,000 − 400,000) / 800,000
    assert charge.figures["other_minor"] == 0
