"""Taking the fee from the account: through the engine's real transport, committed rows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db.models import Sum

from apps.allocation.models import AccountState
from apps.billing.models import Entry, FeeCharge, FeeCollection, Line
from apps.billing.services.collect import collect_due
from apps.core.book.commands import AdjustBalance
from apps.engine import client
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.engine_stub import Answer, done, engine, refused
from tests.billing.history import History, plan, utc
from tests.billing.test_fee_runs import settle


@pytest.fixture
def owing(own_broker: Broker) -> Iterator[History]:
    """A fee of 100.00 is due; rows are committed, as another process would see them."""
    with broker_schema(own_broker.slug):
        for charge in FeeCharge.objects.filter(state__in=["due", "collecting", "receivable"]):
            FeeCollection.objects.filter(charge=charge).update(state="rejected")
            FeeCharge.objects.filter(pk=charge.pk).update(state="nothing")
        history = History(1_000_000)
        plan(history.master)
        history.realise("2026-10-10 12:00", 50_000)
        settle("2026-10")
        yield history


def charge_of(history: History) -> FeeCharge:
    return FeeCharge.objects.get(link=history.link)


def test_a_fee_is_taken_once_and_posted(own_broker: Broker, owing: History) -> None:
    seen: list[str] = []

    def answer(command: AdjustBalance) -> Answer:
        with broker_schema(own_broker.slug):  # another connection: only what is committed
            seen.append(FeeCollection.objects.get(command_id=command.command_id).state)
        return done(status="done")

    with engine(own_broker.slug, owing.master.public_id, answer) as asked:
        assert collect_due().collected == 1
        assert collect_due().collected == 0
    assert [(c.account_id, c.kind, c.amount_minor) for c in asked] == [
        (owing.account_id, "fee", 10_000)
    ]
    assert seen == ["collecting"], "the intent is committed before anything is sent"
    charge = charge_of(owing)
    assert (charge.state, charge.collected_minor) == ("collected", 10_000)
    owed = Line.objects.filter(account__code=f"receivable:{owing.account_id}")
    assert owed.aggregate(total=Sum("amount_minor"))["total"] == 0


def test_an_unknown_outcome_stays_open_and_is_asked_with_the_same_id(
    own_broker: Broker, owing: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[Answer] = [None, done(status="sent"), done(status="done")]
    monkeypatch.setattr(client.execute, "__kwdefaults__", {"timeout_s": 0.3})
    with engine(own_broker.slug, owing.master.public_id, lambda _: answers.pop(0)) as asked:
        assert collect_due().unknown == 1
        attempt = FeeCollection.objects.get(charge__link=owing.link)
        assert (attempt.state, attempt.reason) == ("collecting", "no_answer")
        assert collect_due().unknown == 1
        assert collect_due().collected == 1
    assert len({command.command_id for command in asked}) == 1
    assert charge_of(owing).collected_minor == 10_000


def test_without_an_engine_nothing_is_lost(own_broker: Broker, owing: History) -> None:
    assert collect_due().unknown == 1
    assert FeeCollection.objects.get(charge__link=owing.link).reason == "no_engine"
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")):
        assert collect_due().collected == 1


def test_a_refusal_leaves_a_receivable_and_is_not_repeated_at_once(
    own_broker: Broker, owing: History
) -> None:
    no = refused("RejectedError", "insufficient_funds", "not free")
    with engine(own_broker.slug, owing.master.public_id, lambda _: no) as asked:
        collect_due()
        collect_due()
    assert len(asked) == 1
    attempt = FeeCollection.objects.get(charge__link=owing.link)
    assert (attempt.state, attempt.reason) == ("rejected", "insufficient_funds: not free")
    assert charge_of(owing).state == "receivable"


def test_only_what_is_free_is_taken_and_the_rest_stays_owed(
    own_broker: Broker, owing: History
) -> None:
    state = AccountState.objects.filter(account_id=owing.account_id)
    state.update(balance_minor=300_000, equity_minor=260_000, margin_minor=253_000)
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")) as asked:
        collect_due()
        assert [command.amount_minor for command in asked] == [7_000]
        assert charge_of(owing).state == "receivable"
        state.update(margin_minor=0)
        FeeCollection.objects.filter(charge__link=owing.link).update(
            settled_at=utc("2026-01-01 00:00")
        )
        collect_due()
    assert [command.amount_minor for command in asked] == [7_000, 3_000]
    assert charge_of(owing).state == "collected"
    assert Entry.objects.filter(key__startswith="collection:").exists()
