"""REST v1: keys, scopes, idempotency, one shape of error, nothing changed by a bad request."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.accounts.api_keys import create_key, revoke_key
from apps.accounts.models import ApiKey, AuditEntry, Link, Master, User
from apps.allocation.models import Allocation, Block, Ticket
from apps.api import openapi
from apps.api.models import ApiRequest
from apps.core.book.commands import CloseBlock, PlaceBlock
from apps.engine import client as engine_client
from apps.engine.messages import Failure
from tenants.door import broker_schema
from tenants.models import Broker
from tests.api.fake_engine import FakeEngine
from tests.factories import link, master, person, symbol

At = Callable[[str], Client]
ORDER = {"symbol": "EURUSD", "side": "buy", "lots": "1.00"}


class Caller:
    """Speaks to one broker's host with one key."""

    def __init__(self, client: Client, key: str) -> None:
        self.client = client
        self.headers = {"Authorization": f"Bearer {key}"} if key else {}

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/v1/{path}", headers=self.headers)

    def post(
        self, path: str, body: Any, idempotency_key: str | None = None, raw: bytes | None = None
    ) -> Any:
        extra = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.client.post(
            f"/api/v1/{path}",
            data=raw if raw is not None else json.dumps(body),
            content_type="application/json",
            headers={**self.headers, **extra},
        )


@pytest.fixture
def world(in_acme: Broker, client_at: At) -> Iterator[Any]:
    """A manager with a book of three accounts, a key that may trade, an engine that answers."""
    manager = person("manager")
    book = master(manager)
    symbol(book.account.server)
    links = [link(book, person("investor")) for _ in range(3)]
    _, text = create_key(manager, manager, "test", ["read", "trade"])
    with FakeEngine("acme", book.public_id) as engine:
        engine.account_ids = [one.account_id for one in links]
        yield SimpleNamespace(
            manager=manager,
            book=book,
            links=links,
            engine=engine,
            api=Caller(client_at("acme"), text),
            at=client_at,
            blocks=f"books/{book.public_id}/blocks",
        )


def code(response: Any) -> tuple[int, str]:
    body = json.loads(response.content)
    assert set(body) == {"code", "message", "details", "request_id"}
    assert body["request_id"] == response["X-Request-Id"]
    return response.status_code, body["code"]


def a_block(book: Master, links: list[Link]) -> Block:
    block = Block.objects.create(
        id=uuid.uuid4(),
        book_id=book.public_id,
        command_id=uuid.uuid4(),
        symbol="EURUSD",
        side=1,
        type="market",
        state="open",
        volume_step=Decimal("0.01"),
        digits=5,
        requested_steps=100,
        volume_steps=99,
        filled_steps=99,
        open_steps=99,
        residual_steps=1,
        open_price=Decimal("1.08552"),
        placed_at=timezone.now(),
        seq=4,
    )
    for number, one in enumerate(links):
        Allocation.objects.create(
            block_id=block.id,
            account_id=one.account_id,
            weight=1,
            requested_steps=Decimal("33.33333333"),
            steps=33,
        )
        Ticket.objects.create(
            id=2**53 + number,
            block_id=block.id,
            account_id=one.account_id,
            symbol="EURUSD",
            side=1,
            steps=33,
            open_steps=33,
            volume_step=Decimal("0.01"),
            open_price=Decimal("1.08552"),
            realised_minor=-1234,
            opened_at=timezone.now(),
            seq=4,
        )
    return block


def test_a_block_is_placed_as_asked_and_the_answer_is_the_books(world: Any) -> None:
    response = world.api.post(world.blocks, {**ORDER, "comment": "first"}, "order-1")
    assert response.status_code == 201
    body = response.json()
    (command,) = world.engine.commands
    assert isinstance(command, PlaceBlock)
    assert (command.symbol, command.side, command.volume_lots) == ("EURUSD", "buy", Decimal("1.00"))
    assert str(command.command_id) == body["block_id"] == body["command_id"]
    assert (body["lots"], body["residual_lots"], body["accounts"]) == ("0.99", "0.01", 3)
    assert AuditEntry.objects.filter(action="api.block.place", actor=world.manager).count() == 1


def test_same_key_and_body_give_the_same_answer_and_one_command(world: Any) -> None:
    first = world.api.post(world.blocks, ORDER, "order-1")
    again = world.api.post(world.blocks, None, "order-1", raw=json.dumps(ORDER, indent=3).encode())
    assert (again.status_code, again.json()) == (201, first.json())
    assert "Idempotency-Replayed" not in first
    assert again["Idempotency-Replayed"] == "true"
    assert len(world.engine.commands) == 1


def test_another_body_or_address_under_the_same_key_is_a_conflict(world: Any) -> None:
    world.api.post(world.blocks, ORDER, "order-1")
    other = world.api.post(world.blocks, {**ORDER, "lots": "2.00"}, "order-1")
    assert code(other) == (409, "idempotency_key_reused")
    block = a_block(world.book, world.links)
    elsewhere = world.api.post(f"blocks/{block.id}/cancel", {}, "order-1")
    assert code(elsewhere) == (409, "idempotency_key_reused")
    assert len(world.engine.commands) == 1


def test_a_refusal_of_the_book_is_an_answer_too_and_stays(world: Any) -> None:
    world.engine.refuse = Failure(kind="RejectedError", code="no_quote", message="No quote yet.")
    assert code(world.api.post(world.blocks, ORDER, "order-1")) == (422, "no_quote")
    world.engine.refuse = None
    again = world.api.post(world.blocks, ORDER, "order-1")
    assert (again.status_code, again.json()["code"]) == (422, "no_quote")
    assert world.engine.commands == []


def test_no_answer_is_unknown_and_the_same_request_settles_it(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client.execute, "__kwdefaults__", {"timeout_s": 0.5})
    world.engine.mute = True
    response = world.api.post(world.blocks, ORDER, "order-1")
    assert code(response) == (504, "no_answer")
    world.engine.mute = False
    settled = world.api.post(world.blocks, ORDER, "order-1")
    assert settled.status_code == 201
    assert settled.json()["command_id"] == response.json()["details"]["command_id"]


def test_without_an_engine_nothing_is_sent_and_it_may_be_tried_again(
    world: Any, client_at: At
) -> None:
    other = master(world.manager, "Beta")
    path = f"books/{other.public_id}/blocks"
    assert code(world.api.post(path, ORDER, "order-1")) == (503, "no_engine")
    with FakeEngine("acme", other.public_id):
        assert world.api.post(path, ORDER, "order-1").status_code == 201


def test_a_preview_names_every_account_and_writes_nothing(world: Any) -> None:
    response = world.api.post(f"{world.blocks}/preview", ORDER)
    assert response.status_code == 200
    body = response.json()
    assert (body["bid"], body["ask"], body["residual_lots"]) == ("1.08540", "1.08552", "0.01")
    assert [row["login"] for row in body["rows"]] == [one.account.login for one in world.links]
    assert body["rows"][0] | {"account_id": ""} == {
        "account_id": "",
        "login": world.links[0].account.login,
        "equity": "1234.56",
        "currency": "USD",
        "requested_lots": "0.50",
        "lots": "0.49",
        "reason": "cap_account",
    }
    assert not ApiRequest.objects.exists()
    assert world.engine.commands == []


def test_blocks_allocations_and_tickets_are_read_in_lots_prices_and_money(world: Any) -> None:
    block = a_block(world.book, world.links)
    assert world.api.get("books").json()[0]["sub_accounts"] == 3
    listed = world.api.get(world.blocks).json()["results"]
    assert [one["id"] for one in listed] == [str(block.id)]
    one = world.api.get(f"blocks/{block.id}").json()
    assert (one["lots"], one["open_price"], one["side"]) == ("0.99", "1.08552", "buy")
    shares = world.api.get(f"blocks/{block.id}/allocations?limit=2").json()
    assert [share["lots"] for share in shares["results"]] == ["0.33", "0.33"]
    rest = world.api.client.get(shares["next"], headers=world.api.headers).json()
    assert len(rest["results"]) == 1
    assert rest["next"] is None
    ticket = world.api.get(f"blocks/{block.id}/tickets").json()["results"][0]
    assert (ticket["realised"], ticket["currency"], ticket["lots"]) == ("-12.34", "USD", "0.33")


def test_part_of_a_block_is_closed_also_before_its_rows_exist(world: Any) -> None:
    placed = world.api.post(world.blocks, ORDER, "order-1").json()
    assert code(world.api.get(f"blocks/{placed['block_id']}")) == (503, "block_not_projected")
    response = world.api.post(f"blocks/{placed['block_id']}/close", {"lots": "0.50"}, "close-1")
    assert response.status_code == 200
    command = world.engine.commands[-1]
    assert isinstance(command, CloseBlock)
    assert (str(command.block_id), command.volume_lots) == (placed["block_id"], Decimal("0.50"))


BAD = [
    ({**ORDER, "lots": 1.0}, "lots_not_string"),
    ({**ORDER, "lots": "NaN"}, "lots_invalid"),
    ({**ORDER, "lots": "1e3"}, "lots_invalid"),
    ({**ORDER, "lots": "-1"}, "lots_not_positive"),
    ({**ORDER, "lots": "0.00"}, "lots_not_positive"),
    ({**ORDER, "lots": "٣"}, "lots_invalid"),
    ({**ORDER, "side": "hold"}, "invalid_choice"),
    ({**ORDER, "symbol": "EUR USD;"}, "invalid_request"),
    ({**ORDER, "prise": "1.1"}, "field_unknown"),
    ({**ORDER, "price": "1.1"}, "price_not_allowed"),
    ({**ORDER, "type": "limit"}, "price_required"),
    ({"symbol": "EURUSD"}, "invalid_request"),
    ([1, 2], "invalid_request"),
]


@pytest.mark.parametrize(("body", "expected"), BAD)
def test_bad_input_is_coded_and_changes_nothing(world: Any, body: Any, expected: str) -> None:
    assert code(world.api.post(world.blocks, body, "order-1")) == (400, expected)
    assert world.engine.commands == []
    assert not ApiRequest.objects.exists()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"lots": NaN}', (400, "malformed_json")),
        (b'{"side": "buy", "side": "sell"}', (400, "malformed_json")),
        (b"\xff\xfe", (400, "malformed_json")),
        (b"[" * 100_000, (400, "malformed_json")),
        (b'"' + b"x" * 1_100_000 + b'"', (413, "body_too_large")),
    ],
)
def test_bodies_that_are_not_our_json_are_refused(
    world: Any, raw: bytes, expected: tuple[int, str]
) -> None:
    assert code(world.api.post(world.blocks, None, "order-1", raw=raw)) == expected
    assert world.engine.commands == []


def test_commands_need_a_sane_idempotency_key(world: Any) -> None:
    assert code(world.api.post(world.blocks, ORDER)) == (400, "idempotency_key_missing")
    long = world.api.post(world.blocks, ORDER, "x" * 129)
    assert code(long) == (400, "idempotency_key_invalid")


def test_a_key_does_what_its_scopes_say(world: Any) -> None:
    _, text = create_key(world.manager, world.manager, "reader", ["read"])
    reader = Caller(world.at("acme"), text)
    assert reader.get("books").status_code == 200
    assert code(reader.post(world.blocks, ORDER, "order-1")) == (403, "scope_missing")


def test_keys_that_are_wrong_expired_revoked_or_of_the_inactive_are_refused(world: Any) -> None:
    key, text = create_key(world.manager, world.manager, "k", ["read"])
    caller = Caller(world.at("acme"), text)
    assert caller.get("books").status_code == 200
    assert code(Caller(world.at("acme"), "").get("books")) == (401, "not_authenticated")
    for wrong in ("prk_x", text[:-1] + ("A" if text[-1] != "A" else "B"), text + "x"):
        assert code(Caller(world.at("acme"), wrong).get("books")) == (401, "key_invalid")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert code(caller.get("books")) == (401, "key_invalid")
    ApiKey.objects.filter(pk=key.pk).update(expires_at=None)
    revoke_key(world.manager, key)
    assert code(caller.get("books")) == (401, "key_invalid")
    User.objects.filter(pk=world.manager.pk).update(is_active=False)
    assert code(world.api.get("books")) == (401, "key_invalid")


def test_the_secret_is_stored_nowhere(world: Any) -> None:
    _, text = create_key(world.manager, world.manager, "k", ["read"])
    secret = text.rsplit("_", 1)[-1]
    stored = json.dumps(
        [*ApiKey.objects.values(), *AuditEntry.objects.values("before", "after")], default=str
    )
    assert secret not in stored


def test_anothers_books_and_blocks_do_not_exist(world: Any) -> None:
    stranger = person("manager")
    _, text = create_key(stranger, stranger, "k", ["read", "trade"])
    other = Caller(world.at("acme"), text)
    block = a_block(world.book, world.links)
    assert other.get("books").json() == []
    assert code(other.get(world.blocks)) == (404, "book_unknown")
    assert code(other.post(world.blocks, ORDER, "o")) == (404, "book_unknown")
    assert code(other.post(f"{world.blocks}/preview", ORDER)) == (404, "book_unknown")
    for path in ("", "/allocations", "/tickets"):
        assert code(other.get(f"blocks/{block.id}{path}")) == (404, "block_unknown")
    for path in ("/close", "/cancel"):
        response = other.post(f"blocks/{block.id}{path}", {}, "o" + path[1:])
        assert code(response) == (404, "block_unknown")
    assert world.engine.commands == []


def test_an_admin_oversees_but_does_not_trade_for_others(world: Any) -> None:
    admin = person("admin")
    _, text = create_key(admin, admin, "k", ["read", "trade"])
    caller = Caller(world.at("acme"), text)
    assert caller.get(world.blocks).status_code == 200
    assert code(caller.post(world.blocks, ORDER, "o")) == (404, "book_unknown")


def test_a_key_of_one_broker_is_nothing_at_another(world: Any, globex: Broker) -> None:
    _, text = create_key(world.manager, world.manager, "k", ["read"])
    with broker_schema("globex"):
        assert code(Caller(world.at("globex"), text).get("books")) == (401, "key_invalid")


def test_a_key_has_a_rate(world: Any) -> None:
    key, text = create_key(world.manager, world.manager, "slow", ["read"])
    ApiKey.objects.filter(pk=key.pk).update(rate_per_minute=2)
    caller = Caller(world.at("acme"), text)
    cache.clear()
    answers = [caller.get("books") for _ in range(5)]  # a minute may end between two of them
    assert [a.status_code for a in answers[:2]] == [200, 200]
    limited = [a for a in answers if a.status_code == 429]
    assert limited
    assert code(limited[0]) == (429, "rate_limited")
    assert 1 <= int(limited[0]["Retry-After"]) <= 61
    assert world.api.get("books").status_code == 200  # another key is not slowed


def test_errors_keep_their_shape_off_the_road(world: Any) -> None:
    assert code(world.api.get("nothing/here")) == (404, "not_found")
    assert code(world.api.get("blocks/not-a-uuid")) == (404, "not_found")
    assert code(world.api.post("books", {}))[0] == 405
    assert "Set-Cookie" not in world.api.get("books")


def test_openapi_describes_every_operation_and_the_page_renders(
    acme: Broker, client_at: At
) -> None:
    described = client_at("acme").get("/api/v1/schema").json()
    assert described["openapi"].startswith("3.")
    assert sorted(described["paths"]) == sorted(
        f"/api/v1/{path}"
        for path in (
            "books",
            "books/{book_id}/blocks",
            "books/{book_id}/blocks/preview",
            "books/{book_id}/cancel-all",
            "books/{book_id}/close-all",
            "books/{book_id}/hard-stop",
            "books/{book_id}/hard-stop/preview",
            "books/{book_id}/lift",
            "books/{book_id}/links/{account_id}/lift",
            "books/{book_id}/links/{account_id}/pause",
            "books/{book_id}/links/{account_id}/protection",
            "books/{book_id}/links/{account_id}/risk",
            "books/{book_id}/protection",
            "books/{book_id}/risk",
            "books/{book_id}/stops",
            "books/{book_id}/links",
            "books/{book_id}/links/bulk",
            "books/{book_id}/links/quote",
            "books/{book_id}/links/{account_id}/detach",
            "books/{book_id}/links/{account_id}/leave",
            "books/{book_id}/links/{account_id}/money",
            "books/{book_id}/execution",
            "blocks/{block_id}/legs/retry",
            "books/{book_id}/links/{account_id}/status",
            "books/{book_id}/links/{account_id}/terms",
            "books/{book_id}/house-rounding",
            "books/{book_id}/rule",
            "blocks/{block_id}",
            "blocks/{block_id}/amend",
            "blocks/{block_id}/close",
            "blocks/{block_id}/close-by",
            "blocks/{block_id}/reverse",
            "blocks/{block_id}/cancel",
            "blocks/{block_id}/allocations",
            "blocks/{block_id}/tickets",
            "fees",
            "fees/accruals",
        )
    )
    listed = described["paths"]["/api/v1/blocks/{block_id}/tickets"]["get"]
    assert {p["name"] for p in listed["parameters"]} == {"block_id", "cursor", "limit"}
    place = described["paths"]["/api/v1/books/{book_id}/blocks"]["post"]
    assert {p["name"] for p in place["parameters"]} == {"book_id", "Idempotency-Key"}
    assert {"201", "409", "422", "504"} <= set(place["responses"])
    assert _references(described) <= {
        f"#/components/schemas/{name}" for name in described["components"]["schemas"]
    }
    page = client_at("acme").get("/api/v1/docs").content.decode()
    assert page.count("/api/v1/b") >= len(openapi.schema()["paths"])
    assert "<script>" not in page


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        found = {node["$ref"]} if "$ref" in node else set()
        return found.union(*(_references(value) for value in node.values()))
    if isinstance(node, list):
        return set().union(*map(_references, node)) if node else set()
    return set()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["symbol", "side", "lots", "price", "type", "x"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=JSON)
def test_no_body_at_all_makes_a_500(world: Any, body: Any) -> None:
    for path in (world.blocks, f"{world.blocks}/preview"):
        response = world.api.post(path, body, uuid.uuid4().hex)
        assert response.status_code < 500, response.content


def test_the_book_is_directed_by_the_api(world: Any) -> None:
    account = world.links[0].account
    base = f"books/{world.book.public_id}"
    asked = [
        (f"{base}/rule", {"rule": {"method": "percent"}, "defaults": {"parameter": "40"}}),
        (f"{base}/links/{account.public_id}/terms", {"terms": {"max_open_lots": "2.50"}}),
        (f"{base}/links/{account.public_id}/status", {"status": "paused"}),
        (f"{base}/close-all", {"symbol": "EURUSD"}),
        (f"{base}/cancel-all", {}),
    ]
    for number, (path, body) in enumerate(asked):
        response = world.api.post(path, body, f"direct-{number}")
        assert response.status_code == 200, response.content
    rule, terms, status, close, cancel = world.engine.commands
    assert (rule.rule.method, rule.defaults.parameter) == ("percent", Decimal(40))
    assert (terms.account_id, terms.terms.max_open_lots) == (account.pk, Decimal("2.50"))
    assert (status.account_id, status.status) == (account.pk, "paused")
    assert (close.symbol, cancel.symbol) == ("EURUSD", None)


def test_an_order_carries_stops_expiry_method_and_lots_by_hand(world: Any) -> None:
    account = world.links[1].account
    order = {
        **ORDER,
        "type": "limit",
        "price": "1.05",
        "stop_loss": "1.04",
        "take_profit": "1.10",
        "expiry": "date",
        "expires_at": "2100-01-01T00:00:00Z",
        "method": "equal",
        "manual_lots": {str(account.public_id): "0.20"},
        "token": "seen",
    }
    placed = world.api.post(world.blocks, order, "full")
    assert placed.status_code == 201, placed.content
    command = world.engine.commands[-1]
    assert (command.stop_loss, command.take_profit) == (Decimal("1.04"), Decimal("1.10"))
    assert command.rule.method == "equal"
    assert command.manual_lots == {account.pk: Decimal("0.20")}
    assert command.expires_at_ms == 4_102_444_800_000
    assert command.token == "seen"
    block = placed.json()["block_id"]
    amended = world.api.post(f"blocks/{block}/amend", {"stop_loss": "0"}, "amend")
    assert amended.status_code == 200, amended.content
    assert world.engine.commands[-1].stop_loss == 0


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("rule", {"rule": {"method": "luck"}}, (400, "bad_rule_option")),
        ("rule", {"rule": {"method": "equal"}, "defaults": {"x": 1}}, (400, "terms_invalid")),
        ("links/ACCOUNT/terms", {"terms": {"lots": "-1"}}, (400, "terms_invalid")),
        ("links/ACCOUNT/status", {"status": "gone"}, (400, "invalid_choice")),
        ("links/00000000-0000-4000-8000-000000000000/status", {"status": "paused"},
         (404, "account_unknown")),
    ],
)  # fmt: skip
def test_bad_directions_are_refused_by_code_and_reach_no_book(
    world: Any, path: str, body: Any, expected: tuple[int, str]
) -> None:
    path = path.replace("ACCOUNT", str(world.links[0].account.public_id))
    response = world.api.post(f"books/{world.book.public_id}/{path}", body, "bad")
    assert code(response) == expected
    assert world.engine.commands == []
