"""Blocks over REST: placed once under one key, previewed, read, closed, directed."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import AuditEntry
from apps.api.models import ApiRequest
from apps.core.book.commands import CloseBlock, PlaceBlock
from apps.engine import client as engine_client
from apps.engine.messages import Failure
from tests.api.calling import ORDER, At, a_block, code
from tests.api.fake_engine import FakeEngine
from tests.factories import master


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
