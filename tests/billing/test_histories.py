"""Random histories of trades, flows, withdrawals settled at once, runs and collections.

Whatever happened: the ledger balances, no fee is negative, nothing is charged twice, the parts sum
to the whole, and a run repeated says the same.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.billing.models import FeeCharge, FeeCollection
from apps.billing.periods import period_of
from apps.billing.selectors.checking import findings
from apps.billing.services.collect import collect_due
from apps.billing.services.events import settle_events
from apps.billing.services.introductions import introduce
from apps.billing.services.runs import run_fees
from tenants.models import Broker
from tests.billing.engine_stub import done, engine
from tests.billing.history import History, utc
from tests.billing.test_fee_kinds import charge
from tests.billing.test_fee_runs import LATER, UTC_ZONE
from tests.factories import person

MONTHS = ("2026-08", "2026-09", "2026-10")
RATIO = st.integers(0, 100).map(lambda n: f"{n / 100:.2f}")

PLANS = st.fixed_dictionaries(
    {
        "performance": st.fixed_dictionaries(
            {"rate": RATIO},
            optional={
                "hwm_basis": st.sampled_from(["net", "gross"]),
                "base": st.sampled_from(["equity", "realised", "realised_with_floating_loss"]),
                "withdrawal_rule": st.sampled_from(["proportional", "amount"]),
                "full_crystallisation": st.booleans(),
                "hurdle_kind": st.sampled_from(["none", "hard", "soft", "investor_floor"]),
                "hurdle": st.just("0.05"),
                "lookback_periods": st.sampled_from([None, 1, 3]),
                "net_of_management": st.booleans(),
            },
        )
    },
    optional={
        "management": st.fixed_dictionaries(
            {"rate": st.sampled_from(["0", "0.015", "0.5"])},
            optional={
                "day_count": st.sampled_from(["ACT/365", "ACT/360", "30/360", "business/252"]),
                "base": st.sampled_from(["daily", "opening", "closing"]),
            },
        ),
        "joining": st.just({"amount": "12.34"}),
        "exit": st.just({"days": 60, "rate": "0.01"}),
        "minimum": st.just("25"),
        "split": st.sampled_from(
            [
                {"manager": "0.7"},
                {"manager": "0.333333", "ib_levels": ["0.333333", "0.1"]},
                {"manager": "0.5", "ib_levels": ["0.5"], "mode": "cascade"},
            ]
        ),
    },
)  # fmt: skip
STEP = st.one_of(
    st.tuples(st.just("trade"), st.integers(-400_000, 400_000)),
    st.tuples(st.just("open"), st.integers(-200_000, 200_000)),
    st.tuples(st.just("deposit"), st.integers(1, 500_000)),
    st.tuples(st.just("withdraw"), st.integers(1, 95)),  # per cent of the balance
    st.tuples(st.just("events"), st.just(0)),
    st.tuples(st.just("collect"), st.just(0)),
)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLANS, st.lists(st.lists(STEP, max_size=4), min_size=3, max_size=3), st.booleans())
def test_the_books_hold_whatever_happened(
    in_acme: Broker, plan: dict[str, Any], months: list[list[Any]], leaves: bool
) -> None:
    with transaction.atomic():
        _live(in_acme, plan, months, leaves)
        transaction.set_rollback(True)


def _live(broker: Broker, plan: dict[str, Any], months: list[list[Any]], leaves: bool) -> None:
    history = History(1_000_000, joined="2026-08-01 00:00")
    one, two = person("investor"), person("investor")
    introduce(None, history.investor, one)
    introduce(None, one, two)
    charge(history, **plan)
    with engine(broker.slug, history.master.public_id, lambda _: done(status="done")):
        for month, steps in zip(MONTHS, months, strict=True):
            at = utc(f"{month}-03 12:00")
            for what, amount in steps:
                _happen(history, what, amount, at)
                at += timedelta(days=5)
            if leaves and month == MONTHS[-1]:
                history.mark(f"{at:%Y-%m-%d %H:%M}", floating=0)
                history.link.status, history.link.left_at = "detached", at + timedelta(days=1)
                history.link.save()
            _run(month)
            _collect(history, period_of(month, UTC_ZONE).ends_at + timedelta(minutes=30))
            _check(history)


def _happen(history: History, what: str, amount: int, at: datetime) -> None:
    when = f"{at:%Y-%m-%d %H:%M}"
    match what:
        case "trade":
            history.realise(when, max(amount, -max(history.balance, 0)))
        case "open":
            history.mark(when, floating=amount)
        case "deposit":
            history.flow(when, amount)
        case "withdraw":
            taken = history.balance * amount // 100
            if taken > 0:
                history.flow(when, -taken)
        case "events":
            settle_events(at)
        case "collect":
            _collect(history, at)


def _run(month: str) -> None:
    period = period_of(month, UTC_ZONE)
    shown = run_fees(period, dry_run=True, now=LATER)
    posted = run_fees(period, now=LATER)
    assert [one.items for one in shown.charges] == [one.items for one in posted.charges]
    assert run_fees(period, now=LATER).charges == ()


def _collect(history: History, at: datetime) -> None:
    """What the engine does with a collection: money moves on the server and in the record."""
    known = set(FeeCollection.objects.values_list("command_id", flat=True))
    collect_due()
    for taken in FeeCollection.objects.exclude(command_id__in=known).order_by("id"):
        history.flow(f"{at:%Y-%m-%d %H:%M}", -taken.amount_minor, "fee", taken.command_id)
        at += timedelta(minutes=1)


def _check(history: History) -> None:
    assert findings() == []
    rows = list(FeeCharge.objects.filter(link=history.link).order_by("id"))
    assert all(row.amount_minor >= 0 for row in rows)
    assert all(0 <= row.collected_minor <= row.amount_minor for row in rows)
    leads = [row for row in rows if row.kind == "performance"]
    for row, following in pairwise(leads):
        assert row.window_to == following.window_from
        assert row.figures["closing_minor"] == following.figures["opening_minor"]
    for row in leads:
        figures = row.figures
        assert figures["equity_minor"] - figures["fees_minor"] == figures["closing_minor"]
        parts = figures["manager_minor"] + figures["ib_minor"] + figures["broker_minor"]
        assert parts == figures["fees_minor"]
