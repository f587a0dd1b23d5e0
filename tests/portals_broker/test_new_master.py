"""A master made in the office, on the real simulator and engine."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from apps.accounts.models import AuditEntry, Link, Master, TradingAccount, TradingServer, User
from apps.engine import client
from tenants.door import broker_schema
from tests.engine.desk import Desk, wait_for
from tests.factories import person

At = Callable[[str], Client]
PATH = "/office/masters/new/"


@pytest.fixture
def inside(desk: Desk) -> Iterator[None]:
    with broker_schema(desk.broker):
        yield


@pytest.fixture
def office(inside: None, desk: Desk, client_at: At) -> Client:
    made = client_at(desk.broker)
    made.force_login(person("admin"))
    return made


def terms(manager: User, **other: str) -> dict[str, str]:
    return {
        "command_id": str(uuid.uuid4()),
        "name": "Steady",
        "manager": str(manager.pk),
        "server": str(TradingServer.objects.get().pk),
        "currency": "EUR",
        "leverage": "50",
        "description": "Few trades",
        **other,
    }


def test_a_new_master_is_served_and_an_account_joins_it(
    office: Client, desk: Desk, inside: None
) -> None:
    manager = person("manager")
    values = terms(manager, is_public="on")
    answers = [office.post(PATH, values) for _ in range(2)]  # a double click
    assert [answer.status_code for answer in answers] == [302, 302], answers[0].content
    master = Master.objects.get(name="Steady")
    facts = (master.account.currency, master.account.leverage, master.account.kind)
    assert facts == ("EUR", 50, "master")
    assert (master.manager, master.is_public) == (manager, True)
    assert TradingAccount.objects.filter(owner=manager).count() == 1
    entry = AuditEntry.objects.get(action="master.create")
    assert entry.subject == f"master:{master.public_id}"
    assert entry.request_id == answers[0]["X-Request-Id"]
    wait_for(lambda: client.is_held(desk.broker, master.public_id))
    investor = person("investor")
    linked = office.post(
        f"/office/masters/{master.public_id}/link",
        {
            "command_id": uuid.uuid4().hex,
            "investor": investor.pk,
            "currency": "USD",
            "leverage": "100",
            "deposit": "1000.00",
        },
    )
    assert linked.status_code == 302, linked.content
    assert Link.objects.get(master=master).account.owner == investor


def test_an_unknown_outcome_is_said_and_asking_again_opens_one_account(
    office: Client, desk: Desk, inside: None
) -> None:
    manager = person("manager")
    values = terms(manager, name="Silent", currency="USD")
    desk.fault("lose_ack")
    answer = office.post(PATH, values)
    page = answer.content.decode()
    assert answer.status_code == 504, page
    assert "The outcome is not known" in page
    assert not Master.objects.filter(name="Silent").exists()
    hidden = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))
    assert {name: hidden[name] for name in values} == values
    again = office.post(PATH, hidden)
    assert again.status_code == 302, again.content
    master = Master.objects.get(name="Silent")
    assert list(TradingAccount.objects.filter(owner=manager)) == [master.account]


def test_only_a_manager_may_manage_and_wrong_terms_open_nothing(
    office: Client, inside: None
) -> None:
    before = TradingAccount.objects.count()
    manager = person("manager")
    for values in (
        terms(person("investor")),
        terms(manager, leverage="0"),
        terms(manager, currency="XXX"),
        terms(manager, server="999999"),
        terms(manager, name=""),
    ):
        assert office.post(PATH, values).status_code == 400
    assert TradingAccount.objects.count() == before


def test_another_request_under_the_same_number_is_refused(office: Client, inside: None) -> None:
    values = terms(person("manager"), name="First")
    assert office.post(PATH, values).status_code == 302
    other = {**values, "name": "Second", "currency": "JPY"}
    answer = office.post(PATH, other)
    assert "command_id_reused" in answer.content.decode()
    assert not Master.objects.filter(name="Second").exists()


@pytest.mark.parametrize("role", ["finance", "manager", "investor"])
def test_only_admins_make_masters(inside: None, desk: Desk, client_at: At, role: str) -> None:
    other = client_at(desk.broker)
    other.force_login(person(role))
    assert other.get(PATH).status_code == 403
    assert other.post(PATH, terms(person("manager"))).status_code == 403
