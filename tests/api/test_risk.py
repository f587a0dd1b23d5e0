"""Limits and stops over REST: who acts as which party, what is sent, what is shown."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from apps.accounts.api_keys import create_key
from apps.accounts.models import Link, Master, User
from apps.allocation.models import ProtectionLimits, ProtectionStop
from apps.core.book.commands import HardStop, LiftStop, SetLinkStatus, SetProtection
from apps.engine.messages import Reply, StopPreview
from tenants.models import Broker
from tests.api.calling import Caller, code
from tests.billing.engine_stub import Answer, done, engine
from tests.factories import link, master, person

At = Callable[[str], Client]
SEEN = StopPreview(
    blocks=2,
    tickets=7,
    pending=1,
    lots={"EURUSD": "3.00"},
    notional_minor=32_400_000,
    pnl_minor=-12_345,
    currency="USD",
    token="t0ken",
    max_age_ms=60_000,
)


class Desk:
    """A book with one linked account, and keys of everybody who may ask."""

    def __init__(self, at: At) -> None:
        self.at = at
        self.admin, self.manager, self.investor = (
            person(role) for role in ("admin", "manager", "investor")
        )
        self.book: Master = master(self.manager)
        self.link: Link = link(self.book, self.investor)
        self.path = f"books/{self.book.public_id}"
        self.account = f"{self.path}/links/{self.link.account.public_id}"

    def api(self, user: User) -> Caller:
        _, text = create_key(self.admin, user, "test", ["read", "trade"])
        return Caller(self.at("acme"), text)


@pytest.fixture
def desk(in_acme: Broker, client_at: At) -> Desk:
    return Desk(client_at)


def agree(command: Any) -> Answer:
    return (
        Reply(stop=SEEN)
        if isinstance(command, HardStop) and not command.token
        else done(status="set", blocks=2)
    )


def key() -> str:
    return str(uuid.uuid4())


@pytest.mark.parametrize(
    ("who", "party"), [("admin", "broker"), ("manager", "manager"), ("investor", "investor")]
)
def test_the_role_says_as_which_party_limits_are_set(desk: Desk, who: str, party: str) -> None:
    body = {"protection": {"trailing_percent": "12.5", "stop_equity_minor": 900_000}}
    with engine("acme", desk.book.public_id, agree) as asked:
        answer = desk.api(getattr(desk, who)).post(f"{desk.account}/protection", body, key())
    assert answer.status_code == 200, answer.content
    (command,) = asked
    assert isinstance(command, SetProtection)
    assert (command.party, command.scope) == (party, "account")
    assert command.account_id == desk.link.account_id


def test_an_investor_reaches_nothing_of_the_book_or_of_others(desk: Desk) -> None:
    theirs, stranger = desk.api(desk.investor), desk.api(person("investor"))
    assert code(theirs.get(f"{desk.path}/risk")) == (404, "book_unknown")
    limits = {"scope": "master", "protection": {}}
    assert code(theirs.post(f"{desk.path}/protection", limits, key())) == (404, "book_unknown")
    assert code(stranger.get(f"{desk.account}/risk")) == (404, "account_unknown")
    lift = stranger.post(f"{desk.account}/lift", {}, key())
    assert code(lift) == (404, "account_unknown")


def test_a_hard_stop_is_shown_and_then_confirmed_by_its_token(desk: Desk) -> None:
    api = desk.api(desk.manager)
    with engine("acme", desk.book.public_id, agree) as asked:
        seen = api.post(f"{desk.path}/hard-stop/preview", {}).json()
        answer = api.post(f"{desk.path}/hard-stop", {"token": seen["token"]}, key())
    assert (seen["blocks"], seen["tickets"], seen["pending"]) == (2, 7, 1)
    assert (seen["notional"], seen["pnl"], seen["currency"]) == ("324000.00", "-123.45", "USD")
    assert answer.status_code == 200
    assert asked[-1].token == "t0ken"
    assert asked[-1].party == "manager"


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"protection": {"trailing_percent": "100"}}, "protection_invalid"),
        ({"protection": {"no_such": 1}}, "protection_invalid"),
        ({"protection": {"stop_equity_minor": "12,5"}}, "protection_invalid"),
    ],
)
def test_limits_that_make_no_sense_are_refused_before_they_are_sent(
    desk: Desk, body: dict[str, Any], refusal: str
) -> None:
    with engine("acme", desk.book.public_id, agree) as asked:
        answer = desk.api(desk.manager).post(f"{desk.account}/protection", body, key())
    assert code(answer) == (400, refusal)
    assert asked == []


def test_pause_and_lift_are_sent_as_the_party_that_asks(desk: Desk) -> None:
    api = desk.api(desk.investor)
    with engine("acme", desk.book.public_id, agree) as asked:
        api.post(f"{desk.account}/pause", {"paused": True}, key())
        api.post(f"{desk.account}/lift", {}, key())
        desk.api(desk.admin).post(f"{desk.path}/lift", {}, key())
    assert [(type(c), c.party) for c in asked] == [
        (SetLinkStatus, "investor"),
        (LiftStop, "investor"),
        (LiftStop, "broker"),
    ]
    assert asked[-1].account_id is None


def test_limits_stops_and_history_are_read(desk: Desk) -> None:
    now = timezone.now()
    common = {"book_id": desk.book.public_id, "seq": 1}
    ProtectionLimits.objects.create(
        scope="account",
        account_id=desk.link.account_id,
        party="investor",
        limits={"trailing_percent": "5"},
        set_at=now,
        **common,
    )
    ProtectionLimits.objects.create(
        scope="master", party="manager", limits={"trailing_minor": 5_000}, set_at=now, **common
    )
    for account_id in (None, desk.link.account_id):
        ProtectionStop.objects.create(
            id=uuid.uuid4(),
            account_id=account_id,
            reason="daily_loss",
            party="broker",
            phase="closing",
            equity_minor=949_999,
            level_minor=950_000,
            reference_minor=1_000_000,
            currency="USD",
            triggered_at=now,
            **common,
        )
    api = desk.api(desk.manager)
    book = api.get(f"{desk.path}/risk").json()
    assert book["master"] == {"manager": {"trailing_minor": 5_000}}
    assert (book["stop"]["phase"], book["stop"]["set_by"]) == ("closing", "broker")
    assert book["stopped_accounts"] == 1
    account = desk.api(desk.investor).get(f"{desk.account}/risk").json()
    assert account["protections"] == {"investor": {"trailing_percent": "5"}}
    assert (account["stop"]["equity"], account["stop"]["level"]) == ("9499.99", "9500.00")
    history = api.get(f"{desk.path}/stops").json()["results"]
    assert sorted(row["login"] is None for row in history) == [False, True]
