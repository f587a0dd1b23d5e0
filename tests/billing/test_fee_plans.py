"""Plans: which one is in force, four eyes, who is told, nothing that runs changes."""

from __future__ import annotations

import threading
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from apps.accounts.models import AuditEntry, Master, User
from apps.billing.models import FeePlan, PlanChange, PlanNotice
from apps.billing.selectors.plans import plans_of
from apps.billing.selectors.preview import preview_of
from apps.billing.services.introductions import introduce
from apps.billing.services.notices import notify_due
from apps.billing.services.plans import (
    NewPlan,
    approve,
    decline,
    performance_plan,
    propose,
    set_fee_plan,
)
from apps.core.errors import ConflictError, ForbiddenError, InputError, StateError
from apps.core.fees.terms import terms_from, terms_json
from tenants.door import broker_schema
from tenants.models import Broker
from tests.billing.history import History, plan
from tests.factories import master, person

TOMORROW = timezone.now().date() + timedelta(days=2)


def new(rate: str = "0.25", start: date = TOMORROW) -> NewPlan:
    return performance_plan(Decimal(rate), Decimal("0.6"), start)


def scenario() -> tuple[User, User, History]:
    history = History(1_000_000)
    plan(history.master)
    return person("finance"), person("admin"), history


def test_a_change_needs_a_second_person(in_acme: Broker) -> None:
    clerk, admin, history = scenario()
    change = propose(clerk, history.master, new(), note="market rate")
    with pytest.raises(ForbiddenError) as caught:
        approve(clerk, change)
    assert caught.value.code == "four_eyes"
    assert FeePlan.objects.count() == 1
    made = approve(admin, change)
    change.refresh_from_db()
    assert (change.state, change.decided_by, change.plan) == ("approved", admin, made)
    assert (made.rate, made.effective_from) == (Decimal("0.25"), TOMORROW)
    said = AuditEntry.objects.filter(action__startswith="fee_plan.").order_by("pk")
    assert [(one.action, one.actor) for one in said][1:] == [
        ("fee_plan.propose", clerk), ("fee_plan.set", admin), ("fee_plan.approve", admin),
    ]  # fmt: skip


def test_the_database_itself_wants_two_people(in_acme: Broker) -> None:
    clerk, _, history = scenario()
    change = propose(clerk, history.master, new())
    with pytest.raises(IntegrityError), transaction.atomic():
        PlanChange.objects.filter(pk=change.pk).update(state="approved", decided_by=clerk)


@pytest.mark.parametrize("role", ["manager", "investor"])
def test_only_finance_and_admins_propose_and_decide(in_acme: Broker, role: str) -> None:
    clerk, _, history = scenario()
    change = propose(clerk, history.master, new())
    other = person(role)
    for act in (
        lambda: propose(other, history.master, new()),
        lambda: approve(other, change),
        lambda: decline(other, change),
    ):
        with pytest.raises(ForbiddenError) as caught:
            act()
        assert caught.value.code == "not_allowed"


def test_a_decided_change_is_not_decided_again(in_acme: Broker) -> None:
    clerk, admin, history = scenario()
    change = propose(clerk, history.master, new())
    assert decline(admin, change, note="no") == "rejected"
    with pytest.raises(StateError):
        approve(admin, change)
    own = propose(clerk, history.master, new())
    assert decline(clerk, own) == "withdrawn"
    assert FeePlan.objects.count() == 1


def test_of_two_approvals_at_once_one_adds_the_version(own_broker: Broker) -> None:
    with broker_schema(own_broker.slug):
        clerk, _, history = scenario()
        change = propose(clerk, history.master, new())
        people = [person("admin") for _ in range(6)]
    start, outcomes = threading.Barrier(len(people)), []

    def decide(who: User) -> None:
        start.wait()
        try:
            with broker_schema(own_broker.slug):
                approve(who, PlanChange.objects.get(pk=change.pk))
            outcomes.append("added")
        except (StateError, ConflictError):
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [threading.Thread(target=decide, args=(who,)) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["added", *["refused"] * 5]
    with broker_schema(own_broker.slug):
        assert FeePlan.objects.filter(master=history.master).count() == 2
        assert PlanNotice.objects.filter(change=change).count() == 1


def test_a_running_period_is_not_changed_in_retrospect(in_acme: Broker) -> None:
    clerk, admin, history = scenario()
    with pytest.raises(ConflictError) as caught:
        propose(clerk, history.master, new(start=timezone.now().date() - timedelta(days=1)))
    assert caught.value.code == "period_running"
    waited = PlanChange.objects.create(
        master=history.master, effective_from=timezone.now().date() - timedelta(days=1),
        terms=terms_json(new().fees), proposed_by=clerk,
    )  # fmt: skip
    with pytest.raises(ConflictError):  # approved too late: the day has come
        approve(admin, waited)
    waited.refresh_from_db()
    assert waited.state == "proposed"


def test_investors_it_affects_are_told_once_each_by_mail_and_others_are_not(
    in_acme: Broker,
) -> None:
    clerk, admin, history = scenario()
    two = History(1, to=history.master)
    two.investor.language = "de"
    two.investor.save()
    other = History(1)
    plan(other.master)
    gone = History(1, to=history.master)
    gone.link.status = "detached"
    gone.link.save()
    approve(admin, propose(clerk, history.master, new()))
    assert set(PlanNotice.objects.values_list("user_id", flat=True)) == {
        history.investor.pk, two.investor.pk,
    }  # fmt: skip
    later = timezone.now() + timedelta(minutes=1)
    assert notify_due(later).sent == 2
    assert notify_due(later).sent == 0
    sent = {message.to[0]: message for message in mail.outbox}
    message = sent[history.investor.email]
    assert "25 % of the gain above the high-water mark" in message.body
    assert history.master.name in message.body
    assert isinstance(message, EmailMultiAlternatives)
    html, kind = message.alternatives[0]
    assert (kind, "25 %" in str(html)) == ("text/html", True)


def test_the_links_plan_goes_before_the_masters_and_that_before_the_brokers(
    in_acme: Broker,
) -> None:
    history = History(1_000_000)
    link, book_of = history.link, history.master

    def rate() -> Decimal | None:
        version = plans_of([book_of.pk]).at(book_of.pk, date(2026, 6, 1), link.pk)
        return version.plan.rate if version else None

    start = date(2026, 1, 1)
    assert rate() is None
    set_fee_plan(None, None, performance_plan(Decimal("0.1"), Decimal(1), start))
    assert rate() == Decimal("0.1")
    set_fee_plan(None, book_of, performance_plan(Decimal("0.2"), Decimal(1), start))
    assert rate() == Decimal("0.2")
    set_fee_plan(None, link, performance_plan(Decimal("0.3"), Decimal(1), date(2026, 7, 1)))
    assert rate() == Decimal("0.2")  # the link's own begins later
    set_fee_plan(None, link, performance_plan(Decimal("0.3"), Decimal(1), start))
    assert rate() == Decimal("0.3")


def test_a_preview_shows_what_the_running_windows_would_cost(in_acme: Broker) -> None:
    clerk, _, history = scenario()
    history.realise("2026-10-10 12:00", 100_000)
    change = propose(clerk, history.master, new("0.35"))
    shown = preview_of(change, timezone.now())
    assert (shown.affected, shown.looked_at) == (1, 1)
    total = shown.totals[0]
    assert (total.before_minor, total.after_minor) == (20_000, 35_000)


BAD: list[dict[str, Any]] = [
    {"split": {"manager": "1.1"}},
    {"split": {"manager": "0.6", "ib_levels": ["0.3", "0.2"]}},
    {"split": {"manager": "0.6"}, "performance": {"rate": "-0.1"}},
    {"split": {"manager": "0.6"}, "performance": {"rate": "0.1", "lookback_periods": 0}},
    {"split": {"manager": "0.6"}, "performance": {"rate": "0.1", "unknown": 1}},
    {"split": {"manager": "NaN"}},
    {"split": {"manager": "0.5"}, "currency": "usd"},
    {"split": {"manager": "0.5"}, "joining": {"amount": "10"}},
    {"split": {"manager": "0.5"}, "volume": {"amount": "-1"}},
]


@pytest.mark.parametrize("terms", BAD)
def test_terms_out_of_range_are_refused(terms: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        terms_from(terms)
    assert caught.value.code in ("fee_terms_invalid", "fee_rate_invalid", "fee_split_invalid")


def test_nobody_is_introduced_in_a_ring(in_acme: Broker) -> None:
    one, two, three = (person("investor") for _ in range(3))
    introduce(None, two, one)
    introduce(None, three, two)
    with pytest.raises(InputError) as caught:
        introduce(None, one, three)
    assert caught.value.code == "introduction_circular"
    with pytest.raises(ConflictError):
        introduce(None, three, one)


def test_a_master_without_followers_may_get_a_plan_of_any_day(in_acme: Broker) -> None:
    clerk, admin = person("finance"), person("admin")
    book: Master = master(person("manager"))
    made = approve(admin, propose(clerk, book, new(start=date(2020, 1, 1))))
    assert made.effective_from == date(2020, 1, 1)
    assert not PlanNotice.objects.exists()
