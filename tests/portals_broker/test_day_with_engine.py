"""A broker's day on the real engine and simulator: office, API, leaderboard, widget."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.accounts.api_keys import create_key
from apps.accounts.models import AuditEntry, Link, Master, TradingAccount
from apps.allocation.models import AccountState, Deal
from apps.leaderboards.board import board, refresh_board
from apps.leaderboards.rates import rates_to
from tenants.door import broker_schema
from tenants.models import Broker
from tests.engine.desk import Desk, wait_for
from tests.factories import person

At = Callable[[str], Client]


class Api:
    def __init__(self, client: Client, key: str) -> None:
        self.client, self.headers = client, {"Authorization": f"Bearer {key}"}

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=self.headers)

    def post(self, path: str, body: Any, key: str = "") -> Any:
        headers = {**self.headers, "Idempotency-Key": key or uuid.uuid4().hex}
        return self.client.post(
            f"/api/v1/{path}", json.dumps(body), "application/json", headers=headers
        )


@pytest.fixture(scope="module")
def book(desk: Desk) -> Master:
    with broker_schema(desk.broker):
        Master.objects.filter(public_id=desk.stage.book_id).update(is_public=True)
        return Master.objects.select_related("manager", "account").get(public_id=desk.stage.book_id)


@pytest.fixture
def inside(desk: Desk) -> Iterator[None]:
    with broker_schema(desk.broker):
        yield


@pytest.fixture
def api(inside: None, desk: Desk, book: Master, client_at: At) -> Api:
    _, text = create_key(book.manager, book.manager, "day", ["read", "trade"])
    return Api(client_at(desk.broker), text)


def state(api: Api, block_id: str, wanted: str) -> Any:
    def there() -> Any:
        answer = api.get(f"blocks/{block_id}")
        return answer.json() if answer.json().get("state") == wanted else None

    return wait_for(there)


def lots_of(rows: list[dict[str, str]]) -> Decimal:
    return sum((Decimal(row["lots"]) for row in rows), Decimal(0))


def test_a_block_goes_through_the_api_to_the_cent(api: Api, desk: Desk, book: Master) -> None:
    blocks = f"books/{book.public_id}/blocks"
    order = {"symbol": "EURUSD", "side": "buy", "lots": "3.00"}
    shown = api.post(f"{blocks}/preview", order)
    assert shown.status_code == 200, shown.content
    assert lots_of(shown.json()["rows"]) == Decimal(shown.json()["lots"])
    assert len(shown.json()["rows"]) == 10

    placed = api.post(blocks, order, "day-1")
    assert placed.status_code == 201, placed.content
    again = api.post(blocks, order, "day-1")
    assert again.json() == placed.json()
    block_id = placed.json()["block_id"]
    block = state(api, block_id, "open")
    assert Decimal(block["lots"]) + Decimal(block["residual_lots"]) == Decimal("3.00")
    shares = api.get(f"blocks/{block_id}/allocations").json()["results"]
    assert lots_of(shares) == Decimal(block["lots"])
    tickets = api.get(f"blocks/{block_id}/tickets").json()["results"]
    assert {ticket["open_price"] for ticket in tickets} == {block["open_price"]}
    assert lots_of(tickets) == Decimal(block["lots"])

    part = api.post(f"blocks/{block_id}/close", {"lots": "1.00"})
    assert part.status_code == 200, part.content
    wait_for(
        lambda: (
            Decimal(api.get(f"blocks/{block_id}").json()["open_lots"]) == Decimal(block["lots"]) - 1
        )
    )
    assert api.post(f"blocks/{block_id}/close", {}).status_code == 200
    state(api, block_id, "closed")
    tickets = api.get(f"blocks/{block_id}/tickets").json()["results"]
    for ticket in tickets:
        deals = Deal.objects.filter(ticket_id=ticket["id"])
        digits = 0 if ticket["currency"] == "JPY" else 2
        total = sum(deal.pnl_minor for deal in deals)
        assert Decimal(ticket["realised"]) == Decimal(total).scaleb(-digits)
    assert api.post(f"blocks/{block_id}/close", {}).json()["code"] == "block_not_open"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"lots": "1.005"}, (422, "volume_off_step")),
        ({"lots": "0.00000001"}, (422, "volume_off_step")),
        ({"lots": "999999999999"}, (422, "volume_above_max")),
        ({"symbol": "NOSUCH"}, (404, "unknown_symbol")),
        ({"type": "limit", "price": "1.0000001"}, (422, "price_off_grid")),
        ({"type": "limit", "price": "99.00000"}, (422, "price_wrong_side")),
    ],
)
def test_what_the_book_refuses_is_coded_and_changes_nothing(
    api: Api, desk: Desk, book: Master, change: dict[str, str], expected: tuple[int, str]
) -> None:
    blocks = f"books/{book.public_id}/blocks"
    before = len(api.get(blocks).json()["results"])
    balances = dict(AccountState.objects.values_list("account_id", "balance_minor"))
    answer = api.post(blocks, {"symbol": "EURUSD", "side": "buy", "lots": "1.00", **change})
    code = (answer.status_code, answer.json()["code"])
    assert code == expected
    assert len(api.get(blocks).json()["results"]) == before
    assert dict(AccountState.objects.values_list("account_id", "balance_minor")) == balances


def test_a_pending_block_is_cancelled(api: Api, book: Master) -> None:
    order = {"symbol": "EURUSD", "side": "buy", "lots": "1.00", "type": "limit", "price": "0.50000"}
    placed = api.post(f"books/{book.public_id}/blocks", order).json()
    assert placed["status"] == "pending"
    state(api, placed["block_id"], "pending")
    assert api.post(f"blocks/{placed['block_id']}/cancel", {}).status_code == 200
    state(api, placed["block_id"], "cancelled")


def test_the_office_opens_an_account_on_the_server_and_it_takes_part(
    api: Api, desk: Desk, book: Master, client_at: At
) -> None:
    office = client_at(desk.broker)
    office.force_login(person("admin"))
    investor = person("investor")
    values = {
        "command_id": uuid.uuid4().hex,
        "investor": investor.pk,
        "currency": "EUR",
        "leverage": "100",
        "deposit": "25000.00",
    }
    path = f"/office/masters/{book.public_id}/link"
    first = office.post(path, values)
    assert first.status_code == 302, first.content
    account = TradingAccount.objects.get(owner=investor)
    wait_for(lambda: Link.objects.get(account=account).status == "active")
    assert AuditEntry.objects.filter(action="account.open").count() == 1
    # The same form sent twice opens no second account.
    office.post(path, values)
    assert TradingAccount.objects.filter(owner=investor).count() == 1
    rows = api.post(
        f"books/{book.public_id}/blocks/preview",
        {"symbol": "EURUSD", "side": "sell", "lots": "5.00"},
    ).json()["rows"]
    mine = next(row for row in rows if row["login"] == account.login)
    assert (mine["equity"], mine["currency"]) == ("25000.00", "EUR")
    page = office.get("/office/").content.decode()
    assert "Running" in page
    assert re.search(r"11</span>", page)


def test_the_board_shows_what_the_accounts_earned(
    api: Api, desk: Desk, book: Master, own_broker: Broker, client_at: At
) -> None:
    """The gain lies between that of the ten accounts that traded and the same result on eleven:
    an account that joins within a period counts from the period's start."""
    assert refresh_board(own_broker.base_currency) == 1
    (row,) = board()
    assert (row.source, row.trades) == ("live", 1)
    states = list(AccountState.objects.filter(book_id=book.public_id))
    rates = rates_to("USD", {one.currency for one in states}, desk.broker)

    def usd(minor: int, currency: str) -> float:
        return minor * rates[currency] / (1 if currency == "JPY" else 100)

    earned = sum(usd(one.balance_minor - one.opening_balance_minor, one.currency) for one in states)
    traded = [one for one in states if one.account_id in desk.stage.account_ids]
    on_ten = earned / sum(usd(one.opening_balance_minor, one.currency) for one in traded)
    on_all = earned / sum(usd(one.opening_balance_minor, one.currency) for one in states)
    low, high = sorted((on_ten, on_all))
    assert earned != 0
    assert low - 1e-5 <= row.gain <= high + 1e-5
    assert -0.05 < row.max_drawdown <= 0
    assert row.sparkline[0] == 1.0
    assert row.sparkline[-1] == pytest.approx(1 + row.gain, abs=1e-5)
    page = client_at(desk.broker).get("/widgets/leaderboard").content.decode()
    assert "Main job" in page
    assert "Live, verified" in page
    assert "Few trades" in page
