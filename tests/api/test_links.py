"""Links by the API: who joins, quoted or in bulk, who leaves, what is taken out, money."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client

from apps.accounts.api_keys import create_key
from apps.accounts.models import Link
from apps.core.book import commands as c
from apps.engine.messages import Failure
from tenants.models import Broker
from tests.api.calling import Caller, code
from tests.api.fake_engine import FakeEngine
from tests.factories import account, link, master, person


@pytest.fixture
def world(in_acme: Broker, client_at: Callable[[str], Client]) -> Iterator[Any]:
    """The office's key, an investor's key, a book with one link and a spare account."""
    admin, investor = person("admin"), person("investor")
    book = master(person("manager"))
    joined = link(book, investor)
    keys = {
        name: Caller(client_at("acme"), create_key(admin, owner, name, ["read", "trade"])[1])
        for name, owner in (("office", admin), ("investor", investor), ("manager", book.manager))
    }
    with FakeEngine("acme", book.public_id) as engine:
        yield SimpleNamespace(
            book=book,
            link=joined,
            spare=account(person("investor"), on=book.account.server),
            engine=engine,
            base=f"books/{book.public_id}/links",
            own=f"books/{book.public_id}/links/{joined.account.public_id}",
            **keys,
        )


def test_the_office_quotes_a_joining_and_joins_with_the_token(world: Any) -> None:
    asked = {"account_id": str(world.spare.public_id), "mode": "proportional_at_market"}
    quote = world.office.post(f"{world.base}/quote", asked)
    assert quote.status_code == 200, quote.content
    assert quote.json()["rows"] == [
        {
            "parent_id": "00000000-0000-0000-0000-000000000007",
            "symbol": "EURUSD",
            "side": "buy",
            "lots": "0.12",
            "price": "1.08552",
            "parent_price": "1.08900",
            "spread_cost": "1.44",
            "margin": "130.26",
            "code": "",
        }
    ]
    assert world.engine.commands == []
    token = quote.json()["token"]
    joined = world.office.post(world.base, {**asked, "token": token}, "join-1")
    again = world.office.post(world.base, {**asked, "token": token}, "join-1")
    assert (joined.status_code, joined.json()) == (200, again.json())
    (command,) = world.engine.commands
    assert isinstance(command, c.LinkAccount)
    assert (command.account_id, command.token) == (world.spare.pk, token)
    assert Link.objects.get(account=world.spare).status == "invited"


def test_a_refused_joining_leaves_no_link_behind_and_may_be_tried_again(world: Any) -> None:
    asked = {"account_id": str(world.spare.public_id)}
    world.engine.refuse = Failure(kind="ConflictError", code="settling", message="Wait.")
    assert code(world.office.post(world.base, asked, "a")) == (409, "settling")
    assert list(Link.objects.filter(account=world.spare).values_list("status", flat=True)) == [
        "detached"
    ]
    world.engine.refuse = None
    assert world.office.post(world.base, asked, "b").status_code == 200


def test_many_join_by_name_in_one_command(world: Any) -> None:
    spares = [account(person("investor"), on=world.book.account.server) for _ in range(3)]
    body = {"account_ids": [str(a.public_id) for a in spares], "mode": "when_flat"}
    answer = world.office.post(f"{world.base}/bulk", body, "bulk-1")
    assert answer.status_code == 200, answer.content
    (command,) = world.engine.commands
    assert isinstance(command, c.LinkAccounts)
    assert command.account_ids.tolist() == sorted(a.pk for a in spares)
    unknown = {"account_ids": [str(uuid.uuid4())]}
    assert code(world.office.post(f"{world.base}/bulk", unknown, "bulk-2")) == (
        404,
        "account_unknown",
    )
    other = link(master(person("manager"), "Beta", world.book.account.server), person("investor"))
    elsewhere = {"account_ids": [str(other.account.public_id)]}
    assert code(world.office.post(f"{world.base}/bulk", elsewhere, "bulk-3")) == (
        409,
        "account_linked",
    )
    assert len(world.engine.commands) == 1


def test_an_investor_leaves_and_takes_tickets_out_by_the_api(world: Any) -> None:
    out = world.investor.post(
        f"{world.own}/detach", {"ticket_ids": [9, 7, 9], "mode": "keep_tickets"}, "d"
    )
    left = world.investor.post(f"{world.own}/leave", {"mode": "when_flat"}, "l")
    assert (out.status_code, left.status_code) == (200, 200)
    first, second = world.engine.commands
    assert isinstance(first, c.DetachTickets)
    assert (first.ticket_ids, first.mode) == ([7, 9], "keep_tickets")
    assert isinstance(second, c.UnlinkAccount)
    assert (second.account_id, second.mode) == (world.link.account_id, "when_flat")


def test_money_moves_for_the_office_alone_and_exactly(world: Any) -> None:
    body = {"kind": "withdrawal", "amount": "12.34"}
    assert code(world.investor.post(f"{world.own}/money", body, "m")) == (404, "link_unknown")
    too_fine = {"kind": "deposit", "amount": "1.001"}
    assert code(world.office.post(f"{world.own}/money", too_fine, "n")) == (400, "amount_invalid")
    world.engine.result = {"amount_minor": -1234, "balance_minor": 5000, "status": "done"}
    answer = world.office.post(f"{world.own}/money", body, "o")
    assert answer.status_code == 200, answer.content
    assert (answer.json()["amount"], answer.json()["balance"]) == ("-12.34", "50.00")
    (command,) = world.engine.commands
    assert isinstance(command, c.AdjustBalance)
    assert (command.kind, command.amount_minor) == ("withdrawal", 1234)
    assert Decimal(answer.json()["amount"]) == Decimal("-12.34")


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("", {"account_id": "x"}, 400),
        ("", {"account_id": str(uuid.uuid4()), "mode": "somehow"}, 400),
        ("", {"account_id": str(uuid.uuid4())}, 404),
        ("/quote", {"account_id": str(uuid.uuid4()), "mode": "when_flat"}, 400),
        ("/bulk", {"mode": "only_losing"}, 400),
        ("/bulk", {}, 400),
        ("/bulk", {"account_ids": ["x"]}, 400),
    ],
)
def test_bad_requests_reach_no_book(world: Any, path: str, body: Any, expected: int) -> None:
    assert world.office.post(f"{world.base}{path}", body, "bad").status_code == expected
    assert world.engine.commands == []


def test_a_manager_lets_nobody_join_and_moves_no_money(world: Any) -> None:
    asked = {"account_id": str(world.spare.public_id)}
    for path, body in (
        (world.base, asked),
        (f"{world.base}/bulk", {}),
        (f"{world.own}/leave", {}),
        (f"{world.own}/money", {"kind": "deposit", "amount": "1.00"}),
    ):
        assert world.manager.post(path, body, "x").status_code == 404
    assert world.engine.commands == []
