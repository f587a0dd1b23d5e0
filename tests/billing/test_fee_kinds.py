"""Every kind of fee through the whole path: record → windows → run → charges, shares, ledger."""

from __future__ import annotations

import uuid
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import Sum

from apps.allocation.models import Bar, Deal, Ticket
from apps.billing.models import DailyEquity, FeeCharge, FeeShare, HighWaterMark, Line
from apps.billing.periods import period_of
from apps.billing.services.attending import accrue
from apps.billing.services.introductions import introduce
from apps.billing.services.plans import NewPlan, set_fee_plan
from apps.billing.services.runs import RunResult, run_fees
from apps.core.fees.terms import terms_from
from tenants.models import Broker
from tests.billing.history import History, utc
from tests.billing.test_fee_runs import LATER, UTC_ZONE, take
from tests.factories import person, symbol


def charge(history: History, start: str = "2020-01-01", **parts: Any) -> None:
    """A plan of these parts for the history's master."""
    parts.setdefault("split", {"manager": "0.8"})
    new = NewPlan(terms_from(parts), date.fromisoformat(start))
    set_fee_plan(None, history.master, new)


def settle(key: str = "2026-10", **options: Any) -> RunResult:
    return run_fees(period_of(key, UTC_ZONE), now=LATER, **options)


def fees_of(history: History) -> dict[str, int]:
    rows = FeeCharge.objects.filter(link=history.link).order_by("id")
    return {row.kind: row.amount_minor for row in rows}


def shares_of(history: History) -> dict[tuple[str, int], int]:
    rows = FeeShare.objects.filter(charge__link=history.link)
    return {(row.party, row.level): row.amount_minor for row in rows}


def balanced() -> bool:
    return Line.objects.aggregate(total=Sum("amount_minor"))["total"] in (0, None)


@pytest.mark.parametrize(
    ("day_count", "base", "fee"),
    [
        ("ACT/365", "daily", 22_740), ("ACT/360", "daily", 23_056), ("ACT/365", "opening", 16_986),
        ("ACT/365", "closing", 25_479), ("30/360", "opening", 16_667),
    ],
)  # fmt: skip
def test_f12_management_by_every_convention(
    in_acme: Broker, day_count: str, base: str, fee: int
) -> None:
    """31 days: 100,000 for 10 of them, then 150,000 for 21; 2 % a year."""
    history = History(10_000_000)
    charge(history, management={"rate": "0.02", "day_count": day_count, "base": base})
    history.flow("2026-10-11 12:00", 5_000_000)
    settle()
    assert fees_of(history) == {"management": fee}
    assert balanced()


def test_f103_leaving_owes_management_then_performance_net_of_it(in_acme: Broker) -> None:
    history = History(2_000_000)
    charge(
        history,
        performance={"rate": "0.25"},
        management={"rate": "0.02", "base": "opening"},
    )
    history.realise("2026-10-10 12:00", 315_047)
    history.link.status, history.link.left_at = "detached", utc("2026-10-18 00:00")
    history.link.save()
    settle()
    assert fees_of(history) == {"performance": 78_296, "management": 1_863}
    lead = FeeCharge.objects.get(link=history.link, kind="performance")
    assert lead.figures["closing_minor"] == 2_234_888
    assert lead.hwm_after == 2_234_888


def test_f103_independent_of_the_management_fee(in_acme: Broker) -> None:
    history = History(2_000_000)
    charge(
        history,
        performance={"rate": "0.25", "net_of_management": False},
        management={"rate": "0.02", "base": "opening"},
    )
    history.realise("2026-10-10 12:00", 315_047)
    history.link.status, history.link.left_at = "detached", utc("2026-10-18 00:00")
    history.link.save()
    settle()
    assert fees_of(history)["performance"] == 78_762


@pytest.mark.parametrize(
    ("kind", "fee"), [("hard", 1_200), ("soft", 2_200), ("investor_floor", 2_200)]
)
def test_f05_hurdles_of_a_year(in_acme: Broker, kind: str, fee: int) -> None:
    """1,000 gains 110 in a year; hurdle 5 %, rate 20 %."""
    history = History(100_000, joined="2025-11-01 00:00")
    charge(history, performance={"rate": "0.2", "hurdle_kind": kind, "hurdle": "0.05"})
    history.realise("2026-05-10 12:00", 11_000)
    settle()
    assert fees_of(history) == {"performance": fee}


def test_f07_losses_that_count_for_two_periods(in_acme: Broker) -> None:
    results = [-100, 20, -10, 10, 10, 50, -40, 50, 10, -150, 10, 10, 10]
    history = History(1_000_000, joined="2025-01-01 00:00")
    charge(history, performance={"rate": "0.5", "lookback_periods": 2})
    months = [f"{2025 + n // 12}-{n % 12 + 1:02d}" for n in range(len(results))]
    for month, result in zip(months, results, strict=True):
        history.realise(f"{month}-10 12:00", result * 100)
        settle(month)
        following = period_of(month, UTC_ZONE).ends_at
        take(history, f"{following:%Y-%m-%d} 00:30")
    charged = FeeCharge.objects.filter(link=history.link).order_by("window_to")
    assert [Decimal(one.figures["chargeable"]) / 100 for one in charged] == [
        0, 0, 0, 0, 10, 50, 0, 10, 10, 0, 0, 0, 10,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("base", "floating", "fee"),
    [
        ("equity", 30_000, 14_000), ("realised", 30_000, 8_000),
        ("realised_with_floating_loss", 30_000, 8_000), ("equity", -20_000, 4_000),
        ("realised", -20_000, 8_000), ("realised_with_floating_loss", -20_000, 4_000),
        ("equity", -45_000, 0), ("realised", -45_000, 8_000),
        ("realised_with_floating_loss", -45_000, 0),
    ],
)  # fmt: skip
def test_f11_what_counts_as_result(in_acme: Broker, base: str, floating: int, fee: int) -> None:
    """Realised 500 of which 100 bore a fee before: 400 above the mark; then the open result."""
    history = History(1_000_000)
    charge(history, performance={"rate": "0.2", "base": base})
    history.realise("2026-10-10 12:00", 40_000)
    history.mark("2026-10-31 23:00", floating=floating)
    settle()
    assert fees_of(history) == {"performance": fee}


@pytest.mark.parametrize(("rule", "fee", "mark"), [("proportional", 10_000, 1_210_000),
                                                   ("amount", 0, 1_228_000)])  # fmt: skip
def test_f10_both_withdrawal_rules(in_acme: Broker, rule: str, fee: int, mark: int) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    charge(history, performance={"rate": "0.2", "withdrawal_rule": rule})
    history.realise("2026-01-10 12:00", 200_000)
    settle("2026-01")
    take(history, "2026-02-01 00:30")
    history.realise("2026-02-10 12:00", -232_000)
    settle("2026-02")
    history.flow("2026-03-02 12:00", -232_000)
    history.flow("2026-03-03 12:00", 300_000)
    history.realise("2026-03-10 12:00", 224_000)
    settle("2026-03")
    last = FeeCharge.objects.filter(link=history.link).latest("id")
    assert (last.amount_minor, last.hwm_after) == (fee, Decimal(mark))


def test_a_withdrawal_may_crystallise_only_its_share(in_acme: Broker) -> None:
    history = History(1_000_000)
    charge(history, performance={"rate": "0.2", "full_crystallisation": False})
    history.realise("2026-10-10 12:00", 100_000)
    history.flow("2026-10-11 12:00", -550_000)
    settle()
    marks = HighWaterMark.objects.filter(link=history.link).order_by("id")
    assert [(one.reason, one.fee_minor, int(one.after)) for one in marks] == [
        ("opening", 0, 1_000_000),
        ("crystallised", 10_000, 1_000_000),  # half of 20 % of 100,000
        ("withdrawal", 0, 500_000),
        ("crystallised", 8_000, 532_000),  # 20 % of 550,000 − 10,000 due − 500,000
    ]
    assert fees_of(history) == {"performance": 18_000}


def test_f09_split_by_levels_of_a_tree_to_the_cent(in_acme: Broker) -> None:
    history = History(1_000_000)
    one, two, three = (person("investor") for _ in range(3))
    introduce(None, history.investor, one)
    introduce(None, one, two)
    introduce(None, two, three)
    split = {"manager": "0.3", "ib_levels": ["0.2", "0.1"]}
    charge(history, performance={"rate": "0.2"}, split=split)
    history.realise("2026-10-10 12:00", 10_005)
    settle()
    assert fees_of(history) == {"performance": 2_001}
    assert shares_of(history) == {
        ("manager", 0): 600, ("ib", 1): 400, ("ib", 2): 200, ("broker", 0): 801,
    }  # fmt: skip
    codes = set(Line.objects.values_list("account__code", flat=True))
    assert {f"payable:ib:{one.pk}", f"payable:ib:{two.pk}"} <= codes
    assert f"payable:ib:{three.pk}" not in codes
    assert balanced()


def test_a_cascade_shares_what_is_left_and_absent_levels_leave_theirs_to_the_broker(
    in_acme: Broker,
) -> None:
    history = History(1_000_000)
    introduce(None, history.investor, person("investor"))
    split = {"manager": "0.5", "ib_levels": ["0.5", "0.5"], "mode": "cascade"}
    charge(history, performance={"rate": "0.2"}, split=split)
    history.realise("2026-10-10 12:00", 10_000)
    settle()
    assert shares_of(history) == {("manager", 0): 1_000, ("ib", 1): 500, ("broker", 0): 500}


def test_tiers_choose_the_rate_by_equity(in_acme: Broker) -> None:
    tiers = [{"from_amount": "20000", "rate": "0.1"}, {"from_amount": "15000", "rate": "0.15"}]
    for balance, fee in ((1_000_000, 2_000), (1_500_000, 1_500), (2_500_000, 1_000)):
        history = History(balance)
        charge(history, performance={"rate": "0.2", "tiers": tiers})
        history.realise("2026-10-10 12:00", 10_000)
        settle("2026-10")
        assert fees_of(history) == {"performance": fee}


def trade(history: History, at: str, lots: int, price: str = "1.2", name: str = "EURUSD") -> None:
    """`lots` bought and sold again, without a result."""
    symbol(history.master.account.server, name)
    number = uuid.uuid4().int % 2**50
    Ticket.objects.create(
        id=number, block_id=uuid.uuid4(), account_id=history.account_id, symbol=name, side=1,
        steps=lots * 100, open_steps=0, volume_step=Decimal("0.01"), open_price=Decimal(price),
        opened_at=utc(at), seq=1,
    )  # fmt: skip
    for seq, entry in enumerate(("in", "out")):
        Deal.objects.create(
            ticket_id=number, block_id=uuid.uuid4(), account_id=history.account_id, entry=entry,
            steps=lots * 100, price=Decimal(price), at=utc(at), seq=seq,
        )  # fmt: skip


def bar(history: History, name: str, at: str, close: str) -> None:
    price = Decimal(close)
    Bar.objects.create(
        server_id=history.master.account.server_id, symbol=name, at=utc(at), open=price,
        high=price, low=price, close=price, ticks=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("volume", "fee"),
    [
        ({"amount": "3.5"}, 3_500),
        ({"amount": "3.5", "sides": "side"}, 7_000),
        # 10 lots · 100,000 EUR · 1.2 = 1.2 million USD on each side
        ({"amount": "25", "unit": "million_usd"}, 3_000),
        ({"amount": "25", "unit": "million_usd", "sides": "side"}, 6_000),
    ],
)
def test_volume_is_charged_by_lot_or_million(
    in_acme: Broker, volume: dict[str, str], fee: int
) -> None:
    history = History(1_000_000)
    charge(history, volume=volume)
    trade(history, "2026-10-10 12:00", lots=10)
    settle()
    assert fees_of(history) == {"volume": fee}
    assert balanced()


def test_a_rebate_is_the_brokers_cost_and_takes_nothing_from_the_account(in_acme: Broker) -> None:
    history = History(1_000_000)
    volume = {"amount": "3.5", "payer": "broker", "split": {"manager": "0.6"}}
    charge(history, volume=volume, performance={"rate": "0.2"})
    trade(history, "2026-10-10 12:00", lots=10)
    settle()
    assert fees_of(history) == {"performance": 0, "rebate": 2_100}
    rebate = FeeCharge.objects.get(link=history.link, kind="rebate")
    assert rebate.state == "nothing"
    lead = FeeCharge.objects.get(link=history.link, kind="performance")
    assert lead.figures["closing_minor"] == 1_000_000
    assert Line.objects.get(account__code="expense:rebates").amount_minor == 2_100
    settle("2026-11")
    assert FeeCharge.objects.filter(kind="rebate", amount_minor__gt=0).count() == 1


def test_an_amount_of_another_currency_is_converted_and_the_rate_is_kept(in_acme: Broker) -> None:
    history = History(1_000_000, currency="JPY")
    symbol(history.master.account.server, "USDJPY", digits=3)
    bar(history, "USDJPY", "2026-10-31 23:58", "150.5")
    bar(history, "USDJPY", "2026-11-02 00:00", "170")
    charge(history, volume={"amount": "3"})
    trade(history, "2026-10-10 12:00", lots=10)
    settle()
    kept = FeeCharge.objects.get(link=history.link)
    assert kept.amount_minor == 4_515
    assert Decimal(kept.figures["conversion_rate"]) == Decimal("150.5")


def test_a_link_without_a_rate_is_held_and_taken_up_when_there_is_one(in_acme: Broker) -> None:
    history, other = History(1_000_000, currency="JPY"), History(1_000_000)
    for one in (history, other):
        charge(one, performance={"rate": "0.2"}, joining={"amount": "10"})
    result = settle()
    assert result.held == ((history.link.pk, "missing_rate"),)
    assert fees_of(history) == {}
    assert fees_of(other) == {"performance": 0, "joining": 1_000}
    symbol(history.master.account.server, "USDJPY", digits=3)
    bar(history, "USDJPY", "2026-10-31 23:58", "150")
    assert settle().held == ()
    assert fees_of(history) == {"performance": 0, "joining": 1_500}


def test_joining_is_charged_once_and_leaving_early_costs(in_acme: Broker) -> None:
    history = History(1_000_000)
    charge(
        history,
        performance={"rate": "0.2"},
        joining={"amount": "10", "rate": "0.01"},
        exit={"days": 90, "rate": "0.02"},
    )
    settle()
    assert fees_of(history) == {"performance": 0, "joining": 11_000}
    history.link.status, history.link.left_at = "detached", utc("2026-11-15 00:00")
    history.link.save()
    settle("2026-11")
    rows = FeeCharge.objects.filter(link=history.link, window_from=utc("2026-11-01 00:00"))
    assert {row.kind: row.amount_minor for row in rows} == {
        "performance": 0, "exit": 19_780,
    }  # fmt: skip


def test_who_leaves_late_pays_no_exit_fee(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-01-01 00:00")
    charge(history, performance={"rate": "0.2"}, exit={"days": 90, "rate": "0.02"})
    history.link.status, history.link.left_at = "detached", utc("2026-10-15 00:00")
    history.link.save()
    settle()
    assert fees_of(history) == {"performance": 0}


def test_a_minimum_fills_up_what_a_period_costs_pro_rata(in_acme: Broker) -> None:
    whole, half = History(1_000_000, joined="2026-09-01 00:00"), History(
        1_000_000, joined="2026-10-17 00:00"
    )  # fmt: skip
    for one in (whole, half):
        charge(one, "2026-09-01", performance={"rate": "0.2"}, minimum="31")
        one.realise("2026-10-20 12:00", 5_000)
    settle("2026-09")
    settle()
    october = utc("2026-10-31 00:00")
    rows = FeeCharge.objects.filter(kind="minimum", window_to__gt=october)
    assert {row.link_id: row.amount_minor for row in rows} == {
        whole.link.pk: 2_720,  # 3,100 less 20 % of (5,000 − the 3,100 of September)
        half.link.pk: 500,
    }  # fmt: skip


def test_management_monthly_and_performance_quarterly_settle_each_in_their_own_run(
    in_acme: Broker,
) -> None:
    history = History(1_000_000, joined="2026-07-01 00:00")
    charge(
        history,
        performance={"rate": "0.2", "every": "quarter"},
        management={"rate": "0.012", "day_count": "30/360", "base": "opening"},
    )
    history.realise("2026-08-10 12:00", 100_000)
    for key in ("2026-07", "2026-08", "2026-09"):
        settle(key)
    assert {row.kind for row in FeeCharge.objects.all()} == {"management"}
    settle("2026-Q3")
    managed = sum(
        FeeCharge.objects.filter(kind="management").values_list("amount_minor", flat=True)
    )
    performance = FeeCharge.objects.get(kind="performance")
    assert performance.amount_minor == round((100_000 - managed) / 5)
    assert performance.window_from == utc("2026-07-01 00:00")


def test_accrued_days_are_kept_and_a_run_uses_them(in_acme: Broker) -> None:
    history = History(10_000_000)
    charge(history, management={"rate": "0.02"})
    assert accrue(utc("2026-10-11 00:10")) == 10
    assert accrue(utc("2026-10-11 00:20")) == 0
    history.flow("2026-10-11 12:00", 5_000_000)
    settle()
    assert DailyEquity.objects.filter(link=history.link).count() == 31
    assert fees_of(history) == {"management": 22_740}


def test_a_plan_that_came_after_the_link_charges_from_its_own_day_on(in_acme: Broker) -> None:
    history = History(1_000_000, joined="2026-08-01 00:00")
    history.realise("2026-09-10 12:00", 100_000)
    charge(history, "2026-10-01", performance={"rate": "0.2"})
    history.realise("2026-10-10 12:00", 50_000)
    settle()
    mine = FeeCharge.objects.get(link=history.link)
    assert (mine.window_from, mine.amount_minor) == (utc("2026-10-01 00:00"), 10_000)


def test_a_dry_run_of_every_kind_writes_nothing(in_acme: Broker) -> None:
    history = History(10_000_000)
    charge(
        history, performance={"rate": "0.2"}, management={"rate": "0.02"}, joining={"amount": "10"}
    )
    shown = settle(dry_run=True)
    assert shown.charges[0].figures.management_minor > 0
    assert not FeeCharge.objects.exists()
    assert not DailyEquity.objects.exists()
