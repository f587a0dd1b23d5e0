"""Taking the fee from the account: through the engine's real transport, committed rows."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db.models import Sum

from apps.accounts.models import Link
from apps.allocation.models import AccountState, CashFlow
from apps.billing.models import Entry, FeeCharge, FeeCollection, Line
from apps.billing.selectors.checking import findings
from apps.billing.selectors.receivables import receivables, totals_of
from apps.billing.services.collect import collect_due
from apps.billing.services.reversal import reverse_settlement
from apps.core.book.commands import AdjustBalance
from apps.core.errors import ConflictError, ForbiddenError, InputError
from apps.engine import client
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.engine_stub import Answer, done, engine, refused
from tests.billing.history import History, plan, utc
from tests.billing.test_fee_runs import settle
from tests.factories import master, person


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


def test_who_left_still_pays_through_the_book_that_was_left(
    own_broker: Broker, owing: History
) -> None:
    owing.link.status, owing.link.left_at = "detached", utc("2026-11-02 00:00")
    owing.link.save()
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")) as asked:
        assert collect_due().collected == 1
    assert [(c.account_id, c.former) for c in asked] == [(owing.account_id, True)]


def test_who_follows_another_master_pays_through_that_book(
    own_broker: Broker, owing: History
) -> None:
    owing.link.status, owing.link.left_at = "detached", utc("2026-11-02 00:00")
    owing.link.save()
    new = master(person("manager"), name="Beta")
    Link.objects.create(
        master=new, account=owing.link.account, status="active", joined_at=utc("2026-11-02 12:00")
    )
    with engine(own_broker.slug, new.public_id, lambda _: done(status="done")) as asked:
        assert collect_due().collected == 1
    assert [(c.account_id, c.former) for c in asked] == [(owing.account_id, False)]


def test_an_attempt_is_asked_again_where_it_was_asked_first(
    own_broker: Broker, owing: History
) -> None:
    """Unknown at the old book: it is settled there, though the account follows another one now."""
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="sent")):
        assert collect_due().unknown == 1
    owing.link.status, owing.link.left_at = "detached", utc("2026-11-02 00:00")
    owing.link.save()
    new = master(person("manager"), name="Gamma")
    Link.objects.create(
        master=new, account=owing.link.account, status="active", joined_at=utc("2026-11-02 12:00")
    )
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")) as asked:
        assert collect_due().collected == 1
    assert len(asked) == 1


def lines_of(history: History) -> int:
    owed = Line.objects.filter(account__code=f"receivable:{history.account_id}")
    return int(owed.aggregate(total=Sum("amount_minor"))["total"])


def test_a_reversal_mirrors_the_entry_and_gives_the_money_back(
    own_broker: Broker, owing: History
) -> None:
    clerk = person("finance")
    run = charge_of(owing).run
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")) as asked:
        collect_due()
        reverse_settlement(clerk, run, owing.link, "agreed with the investor")
        assert lines_of(owing) == -10_000
        assert collect_due().refunded == 1
    assert [(c.kind, c.amount_minor) for c in asked] == [("fee", 10_000), ("deposit", 10_000)]
    charge = charge_of(owing)
    assert (charge.state, charge.collected_minor) == ("reversed", 0)
    assert lines_of(owing) == 0
    for code in (f"payable:manager:{owing.master.manager_id}",):
        assert Line.objects.filter(account__code=code).aggregate(t=Sum("amount_minor"))["t"] == 0
    with pytest.raises(ConflictError) as caught:
        reverse_settlement(clerk, run, owing.link, "again")
    assert caught.value.code == "reversed_already"


def test_a_reversed_gain_bears_no_fee_again_and_the_refund_is_no_deposit(
    own_broker: Broker, owing: History
) -> None:
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")):
        collect_due()
    taken = FeeCollection.objects.get(charge__link=owing.link)
    owing.flow("2026-11-01 00:40", -10_000, "fee", taken.command_id)
    reverse_settlement(person("admin"), charge_of(owing).run, owing.link, "waived")
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")):
        collect_due()
    back = FeeCollection.objects.get(charge__link=owing.link, direction="refund")
    owing.flow("2026-11-21 12:00", 10_000, "deposit", back.command_id)
    settle("2026-11")
    november = FeeCharge.objects.filter(link=owing.link).latest("id")
    assert (november.amount_minor, november.hwm_after) == (0, Decimal(1_050_000))
    assert november.figures["deposits_minor"] == 0


def test_money_under_way_is_not_reversed_and_a_reason_is_needed(
    own_broker: Broker, owing: History
) -> None:
    clerk, run = person("finance"), charge_of(owing).run
    with pytest.raises(InputError):
        reverse_settlement(clerk, run, owing.link, " ")
    with pytest.raises(ForbiddenError):
        reverse_settlement(person("manager"), run, owing.link, "mine")
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="sent")):
        collect_due()
    with pytest.raises(ConflictError) as caught:
        reverse_settlement(clerk, run, owing.link, "now")
    assert caught.value.code == "money_moving"


def test_the_check_of_the_ledger_names_what_differs(
    own_broker: Broker, owing: History, capsys: pytest.CaptureFixture[str]
) -> None:
    with engine(own_broker.slug, owing.master.public_id, lambda _: done(status="done")):
        collect_due()
    taken = FeeCollection.objects.get(charge__link=owing.link)
    owing.flow("2026-11-01 00:40", -10_000, "fee", taken.command_id)
    mine = [one for one in findings() if str(taken.command_id) in one.what]
    assert mine == []
    CashFlow.objects.filter(command_id=taken.command_id).update(amount_minor=-9_999)
    (found,) = [one for one in findings() if str(taken.command_id) in one.what]
    assert (found.expected, found.found) == (-10_000, -9_999)
    with pytest.raises(SystemExit) as caught:
        call_command("check_ledger", "--broker", own_broker.slug)
    assert caught.value.code == 4
    assert "moved on the trading server" in capsys.readouterr().out


def test_receivables_are_shown_by_age(own_broker: Broker, owing: History) -> None:
    (row,) = [one for one in receivables(utc("2026-12-15 00:00")) if one.link.pk == owing.link.pk]
    assert (row.total_minor, row.by_age) == (10_000, [0, 10_000, 0, 0])
    (total,) = totals_of([row])
    assert (total.currency, total.by_age) == ("USD", (0, 10_000, 0, 0))
