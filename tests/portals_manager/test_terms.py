"""Rule, terms, status, lots by hand, reverse, close by: the page's words as the book's commands."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Link, Master
from apps.core.book.commands import CloseBy, PlaceBlock, ReverseBlock, SetLinkStatus, SetRule
from apps.core.book.terms import LinkTerms
from tenants.door import broker_schema
from tests.portals_manager.conftest import Book, order
from tests.portals_manager.fake_engine import FakeEngine
from tests.portals_manager.test_orders import block, text_of


def form(**fields: Any) -> dict[str, Any]:
    return {"command_id": str(uuid.uuid4()), **fields}


def terms_url(book: Book, at: int = 0) -> str:
    return f"{book.url}accounts/{book.links[at].account.public_id}/terms"


RULE = {
    "method": "equal",
    "residual_policy": "largest_weight_first",
    "below_min": "bump_to_min",
    "cap_policy": "clip_redistribute",
    "rounding": "nearest_half_up",
    "manual_policy": "within_block",
}


def test_the_terms_of_a_link_are_set_whole(book: Book, manager: Client, engine: FakeEngine) -> None:
    told = form(
        parameter="1.5", max_order_lots="2.00", max_symbol_lots="EURUSD 1.5, GBPUSD 2",
        symbols="EURUSD, GBPUSD", max_leverage="20",
    )  # fmt: skip
    answer = manager.post(terms_url(book), told)
    assert answer.status_code == 200, text_of(answer)
    assert engine.executed[-1].account_id == book.links[0].account_id
    assert engine.executed[-1].terms == LinkTerms(
        parameter=Decimal("1.5"),
        max_order_lots=Decimal("2.00"),
        max_symbol_lots={"EURUSD": Decimal("1.5"), "GBPUSD": Decimal(2)},
        symbols=["EURUSD", "GBPUSD"],
        max_leverage=Decimal(20),
    )


def test_the_dialog_opens_with_the_terms_as_they_stand(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    with broker_schema("acme"):
        Link.objects.filter(pk=book.links[0].pk).update(
            params={"max_symbol_lots": {"EURUSD": "1.5"}, "symbols": ["EURUSD"]}
        )
    page = manager.get(terms_url(book)).content.decode()
    assert 'value="EURUSD 1.5"' in page
    assert 'name="symbols" value="EURUSD"' in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_order_lots", "-1"),
        ("max_leverage", "0"),
        ("max_symbol_lots", "EURUSD"),
        ("max_symbol_lots", "EURUSD NaN"),
        ("parameter", "1e3"),
    ],
)
def test_terms_that_cannot_be_are_refused_at_their_field(
    book: Book, manager: Client, engine: FakeEngine, field: str, value: str
) -> None:
    answer = manager.post(terms_url(book), form(**{field: value}))
    assert answer.status_code == 422
    assert "data-error-code" in answer.content.decode()
    assert engine.executed == []


def test_a_link_is_paused_and_resumed(book: Book, manager: Client, engine: FakeEngine) -> None:
    url = terms_url(book).removesuffix("terms") + "status"
    for status in ("paused", "close_only", "active"):
        assert manager.post(url, form(status=status)).status_code == 200
        last = engine.executed[-1]
        assert isinstance(last, SetLinkStatus)
        assert (last.account_id, last.status) == (book.links[0].account_id, status)


def test_an_unknown_outcome_of_a_status_keeps_its_command(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    engine.mute = True
    told = form(status="paused")
    answer = manager.post(terms_url(book).removesuffix("terms") + "status", told)
    assert answer.status_code == 504
    assert "Outcome not known" in text_of(answer)
    assert told["command_id"] in answer.content.decode()


def test_the_rule_keeps_what_the_form_does_not_show(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    with broker_schema("acme"):
        Master.objects.filter(pk=book.master.pk).update(link_defaults={"parameter": "2"})
    page = manager.get(book.url + "rule").content.decode()
    assert 'name="parameter" value="2"' in page
    answer = manager.post(book.url + "rule", form(**RULE, max_order_lots="3"))
    assert answer.status_code == 200, text_of(answer)
    last = engine.executed[-1]
    assert isinstance(last, SetRule)
    assert {name: last.rule.as_dict()[name] for name in RULE} == RULE
    assert last.rule.carry_forward is False
    assert last.defaults == LinkTerms(max_order_lots=Decimal(3))


def test_lots_by_hand_are_previewed_and_placed_as_previewed(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    login = book.links[0].account.login
    ticket = order(volume_lots="1.00", manual=json.dumps({str(login): "0.05"}))
    page = manager.post(book.url + "preview", ticket).content.decode()
    assert "Set by hand" in page
    assert f'value="0.05" data-by-hand-of="{login}"' in page
    token = page.split('data-token="')[1].split('"')[0]
    placed = manager.post(book.url + "orders", {**ticket, "token": token})
    assert placed.status_code == 200, text_of(placed)
    last = engine.executed[-1]
    assert isinstance(last, PlaceBlock)
    assert last.manual_lots == {book.links[0].account_id: Decimal("0.05")}
    assert 'name="manual" value' not in placed.content.decode(), "they are of one order"


@pytest.mark.parametrize("manual", ["[]", '{"1": "x"}', '{"1": "-1"}', "{", '{"999999": "1"}'])
def test_lots_by_hand_of_nobody_are_refused(
    book: Book, manager: Client, engine: FakeEngine, manual: str
) -> None:
    answer = manager.post(book.url + "orders", order(manual=manual))
    assert answer.status_code in (400, 422)
    assert 'data-error-code="manual_invalid"' in answer.content.decode()
    assert engine.executed == []


def test_a_stop_limit_and_its_date_reach_the_book(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    ticket = order(
        kind="stop_limit", price="1.09000", limit_price="1.09050", expiry="date",
        expires_at="2036-01-02T03:04", trailing_distance="0.00100",
    )  # fmt: skip
    answer = manager.post(book.url + "orders", ticket)
    assert answer.status_code == 200, text_of(answer)
    last = engine.executed[-1]
    assert (last.kind, last.price, last.limit_price) == (
        "stop_limit",
        Decimal("1.09"),
        Decimal("1.0905"),
    )
    assert last.expires_at_ms == datetime(2036, 1, 2, 3, 4, tzinfo=UTC).timestamp() * 1000
    assert last.trailing_distance == Decimal("0.001")


@pytest.mark.parametrize(
    ("missing", "code"),
    [("price", "price_required"), ("limit_price", "limit_price_required")],
)
def test_a_stop_limit_without_its_prices_is_refused(
    book: Book, manager: Client, engine: FakeEngine, missing: str, code: str
) -> None:
    ticket = order(kind="stop_limit", price="1.09", limit_price="1.0905") | {missing: ""}
    answer = manager.post(book.url + "orders", ticket)
    assert answer.status_code == 422
    assert f'data-error-code="{code}"' in answer.content.decode()
    assert engine.executed == []


def test_reversing_and_closing_by_are_sent_as_such(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    ours, theirs = block(book), block(book, side=-1)
    url = f"{book.url}blocks/{ours.id}/"
    manager.post(url + "reverse", form(volume_lots="0.50", stop_loss="1.09"))
    reversing = engine.executed[-1]
    assert isinstance(reversing, ReverseBlock)
    assert (reversing.block_id, reversing.volume_lots) == (ours.id, Decimal("0.50"))
    page = manager.get(url + "close-by").content.decode()
    assert f'value="{theirs.id}" checked' in page
    manager.post(url + "close-by", form(other=str(theirs.id)))
    closing = engine.executed[-1]
    assert isinstance(closing, CloseBy)
    assert (closing.block_id, closing.other_block_id) == (ours.id, theirs.id)


def test_closing_by_a_block_of_the_same_side_is_refused(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    ours, same = block(book), block(book)
    answer = manager.post(f"{book.url}blocks/{ours.id}/close-by", form(other=str(same.id)))
    assert answer.status_code == 422
    assert engine.executed == []


def test_everything_of_one_symbol_is_closed(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    block(book)
    page = manager.get(book.url + "close-all").content.decode()
    assert '<option value="EURUSD">' in page
    manager.post(book.url + "close-all", form(symbol="EURUSD"))
    assert engine.executed[-1].symbol == "EURUSD"
