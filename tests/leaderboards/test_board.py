"""The board from the record's rows, and its job in the schedule."""

from __future__ import annotations

import json
import uuid
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from apps.accounts.models import Link, Master
from apps.allocation.models import AccountState, Block, CashFlow, EquityPoint, Ticket
from apps.leaderboards.board import board, refresh_board
from apps.leaderboards.importing import read, store
from apps.leaderboards.schedule import ensure_schedule
from apps.leaderboards.tasks import refresh
from tenants.door import broker_schema, public_schema
from tenants.errors import TenantError
from tenants.models import Broker
from tests.factories import link, master, person

NOW = timezone.now().replace(microsecond=0)
START = NOW - timedelta(minutes=30)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def follower(
    of: Master, opening_minor: int, points: dict[float, int], currency: str = "USD"
) -> Link:
    """Joined at START with `opening_minor`; equity in minor units by minute."""
    made = link(of, person("investor"), currency=currency)
    Link.objects.filter(pk=made.pk).update(joined_at=START)
    last = points[max(points)]
    AccountState.objects.create(
        account_id=made.account_id,
        book_id=of.public_id,
        currency=currency,
        opening_balance_minor=opening_minor,
        balance_minor=last,
        equity_minor=last,
        marked_at=NOW,
        seq=1,
    )
    EquityPoint.objects.bulk_create(
        EquityPoint(
            account_id=made.account_id, at=at(when), balance_minor=value, equity_minor=value
        )
        for when, value in points.items()
    )
    return made


def closed_block(of: Master, results: dict[int, int]) -> None:
    """`results`: realised minor units by account."""
    block = Block.objects.create(
        id=uuid.uuid4(), book_id=of.public_id, command_id=uuid.uuid4(), symbol="EURUSD", side=1,
        type="market", state="closed", volume_step=Decimal("0.01"), digits=5, requested_steps=1,
        placed_at=START, closed_at=NOW, seq=1,
    )  # fmt: skip
    for account_id, minor in results.items():
        Ticket.objects.create(
            id=uuid.uuid4().int >> 66, block_id=block.id, account_id=account_id, symbol="EURUSD",
            side=1, steps=1, open_steps=0, volume_step=Decimal("0.01"), open_price=Decimal(1),
            realised_minor=minor, opened_at=START, seq=1,
        )  # fmt: skip


def test_live_gain_drawdown_and_blocks_of_two_accounts(in_acme: Broker) -> None:
    alpha = master(person("manager"))
    one = follower(alpha, 100_000, {1.5: 110_000, 3.5: 99_000, 5.5: 120_000})
    two = follower(alpha, 300_000, {1.5: 330_000, 3.5: 297_000, 5.5: 360_000})
    closed_block(alpha, {one.account_id: 10_000, two.account_id: 30_000})
    closed_block(alpha, {one.account_id: -11_000, two.account_id: -33_000})
    closed_block(alpha, {one.account_id: 21_000, two.account_id: 63_000})
    assert refresh_board("USD", NOW) == 1
    (row,) = board()
    assert row.gain == pytest.approx(0.20)
    assert row.max_drawdown == pytest.approx(-0.10)
    assert row.profit_factor == pytest.approx((40_000 + 84_000) / 44_000)
    assert row.trades == 3
    assert row.win_rate == pytest.approx(2 / 3)
    assert (row.subscribers, row.aum_minor) == (2, None)  # two people's money is not published


def test_deposits_and_withdrawals_are_no_performance_and_fees_are(in_acme: Broker) -> None:
    alpha = master(person("manager"))
    made = follower(alpha, 100_000, {1.5: 100_000, 4.5: 250_000, 8.5: 50_000, 12.5: 45_000})
    closed_block(alpha, {made.account_id: 0})
    for minute, kind, amount in (
        (4, "deposit", 150_000),
        (8, "withdrawal", -200_000),
        (12, "fee", -5_000),
    ):
        CashFlow.objects.create(
            command_id=uuid.uuid4(), account_id=made.account_id, kind=kind, amount_minor=amount,
            at=at(minute), seq=1,
        )  # fmt: skip
    refresh_board("USD", NOW)
    (row,) = board()
    assert row.gain == pytest.approx(-0.10)


def test_who_leaves_takes_the_money_but_not_the_result(in_acme: Broker) -> None:
    alpha = master(person("manager"))
    stays = follower(alpha, 100_000, {1.5: 110_000})
    leaves = follower(alpha, 100_000, {1.5: 110_000})
    Link.objects.filter(pk=leaves.pk).update(status="detached", left_at=at(3))
    closed_block(alpha, {stays.account_id: 10_000})
    refresh_board("USD", NOW)
    (row,) = board()
    assert row.gain == pytest.approx(0.10)
    assert row.subscribers == 1


def test_an_imported_record_is_shown_as_such_below_the_verified(
    in_acme: Broker, shared_data: Path
) -> None:
    past, live = master(person("manager"), "Past"), master(person("manager"), "Live")
    store(read((shared_data / "statements" / "mt4-detailed-2018.htm").read_bytes()), past)
    links = [follower(live, 100_000, {1.5: 101_000}) for _ in range(3)]
    closed_block(live, {one.account_id: 1_000 for one in links})
    refresh_board("USD", NOW)
    first, second = board()
    assert (first.master.name, first.source, first.aum_minor) == ("Live", "live", 303_000)
    assert (second.master.name, second.source, second.trades) == ("Past", "imported", 23)
    assert round(second.max_drawdown, 4) == -0.1207
    Master.objects.filter(pk=past.pk).update(is_public=False)
    assert [row.master.name for row in board()] == ["Live"]
    assert refresh_board("USD", NOW) == 1


def test_an_account_whose_currency_has_no_rate_is_left_out(in_acme: Broker) -> None:
    alpha = master(person("manager"))
    known = follower(alpha, 100_000, {1.5: 110_000})
    foreign = follower(alpha, 100_000, {1.5: 50_000}, currency="XXX")
    closed_block(alpha, {known.account_id: 10_000, foreign.account_id: -50_000})
    refresh_board("USD", NOW)
    (row,) = board()
    assert row.gain == pytest.approx(0.10)
    assert row.win_rate == 1.0


def test_each_broker_has_one_job_that_names_it(acme: Broker) -> None:
    ensure_schedule("acme")
    with public_schema():
        first = PeriodicTask.objects.get(name="leaderboards.refresh acme")
    ensure_schedule("acme")
    with public_schema():
        job = PeriodicTask.objects.get(name="leaderboards.refresh acme")
    assert job.date_changed == first.date_changed  # a row saved too often is never due
    ensure_schedule("acme", every_minutes=7)
    with public_schema():
        corrected = PeriodicTask.objects.get(name="leaderboards.refresh acme")
    assert corrected.interval is not None
    assert corrected.interval.every == 7
    assert (job.task, json.loads(job.args), json.loads(job.headers)) == (
        "leaderboards.refresh",
        ["acme"],
        {"_schema_name": "acme"},
    )


def test_a_task_without_its_brokers_schema_stops(acme: Broker, globex: Broker) -> None:
    with public_schema(), pytest.raises(TenantError):
        refresh.run("acme")
    with broker_schema("globex"), pytest.raises(RuntimeError, match="scheduled for acme"):
        refresh.run("acme")
    with broker_schema("acme"):
        assert refresh.run("acme") == 0
