"""Preview, place, close, cancel: what the page says is what the engine said, once per click."""

from __future__ import annotations

import json
import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from apps.allocation.models import Block
from apps.core.book.commands import AmendBlock, CancelBlock, CloseBlock, PlaceBlock
from apps.engine import client as engine_client
from tenants.door import broker_schema
from tests.portals_manager.conftest import Book, order
from tests.portals_manager.fake_engine import FakeEngine


def text_of(answer: Any) -> str:
    """The page without tags, white space folded."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def command_id_of(answer: Any) -> str:
    found = re.search(r'name="command_id" value="([^"]+)"', answer.content.decode())
    assert found is not None
    return found.group(1)


def block(book: Book, **fields: Any) -> Block:
    with broker_schema("acme"):
        return Block.objects.create(
            **{
                "id": uuid.uuid4(), "book_id": book.master.public_id, "command_id": uuid.uuid4(),
                "symbol": "EURUSD", "side": 1, "type": "market", "state": "open",
                "volume_step": Decimal("0.01"), "digits": 5, "requested_steps": 100,
                "volume_steps": 100, "filled_steps": 100, "open_steps": 100,
                "open_price": Decimal("1.08510"), "placed_at": datetime.now(UTC), "seq": 3,
            } | fields
        )  # fmt: skip


def test_the_preview_shows_the_engines_numbers(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    answer = manager.post(book.url + "preview", order(volume_lots="1.00"))
    assert answer.status_code == 200
    expected = engine.preview_of(
        PlaceBlock(
            command_id=uuid.uuid4(), symbol="EURUSD", side="buy", volume_lots=Decimal("1.00"),
        )
    )  # fmt: skip
    logins = {link.account.pk: link.account.login for link in book.links}
    shown = re.findall(r'class="id">(\d+)</th>.*?<td class="n strong">.*?([\d.]+)</span>',
                       answer.content.decode(), re.DOTALL)  # fmt: skip
    assert dict(shown) == {
        str(logins[row.account_id]): f"{row.steps / 100:.2f}" for row in expected.rows
    }
    assert sum(Decimal(lots) for _, lots in shown) == Decimal(expected.order_steps) / 100
    assert engine.executed == [], "a preview executes nothing"


def test_an_account_too_small_for_a_share_is_shown_with_its_reason(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    page = text_of(manager.post(book.url + "preview", order(volume_lots="0.02")))
    assert "Rounded to zero" in page or "Below the minimum volume" in page


def test_a_double_click_places_one_block(book: Book, manager: Client, engine: FakeEngine) -> None:
    ticket = order()
    first = manager.post(book.url + "orders", ticket)
    second = manager.post(book.url + "orders", ticket)
    assert (first.status_code, second.status_code) == (200, 200)
    assert len(engine.executed) == 1
    assert "already executed" in text_of(second)
    assert command_id_of(first) != ticket["command_id"], "the next order is a new command"


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"volume_lots": "0"}, "volume_not_positive", "volume_lots"),
        ({"volume_lots": "0.015"}, "volume_off_step", "volume_lots"),
        ({"volume_lots": "5000"}, "volume_above_max", "volume_lots"),
        ({"volume_lots": "abc"}, "invalid", "volume_lots"),
        ({"volume_lots": "1e3"}, "invalid", "volume_lots"),
        ({"volume_lots": ""}, "required", "volume_lots"),
        ({"kind": "limit"}, "price_required", "price"),
        ({"kind": "limit", "price": "2"}, "price_wrong_side", "price"),
        ({"kind": "stop", "price": "1.0851000001"}, "max_decimal_places", "price"),
        ({"symbol": "XXXYYY"}, "invalid_choice", "symbol"),
        ({"side": "both"}, "invalid_choice", "side"),
        ({"command_id": "1"}, "invalid", "command_id"),
    ],
)
def test_a_bad_ticket_is_coded_at_its_field_and_places_nothing(
    book: Book, manager: Client, engine: FakeEngine, changes: dict[str, str], code: str, field: str
) -> None:
    for path in ("orders", "preview"):
        answer = manager.post(book.url + path, order(**changes))
        assert answer.status_code == 422, path
        assert f'data-error-code="{code}"' in answer.content.decode()
        if field != "command_id":
            assert f'id="id_{field}_error"' in answer.content.decode()
    assert not engine.state.blocks


def test_a_refusal_gets_a_new_command_id_and_an_unreached_engine_does_not(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    """The book recorded the refusal under its id; what never arrived may be sent again."""
    refused = order(volume_lots="0.015")
    assert command_id_of(manager.post(book.url + "orders", refused)) != refused["command_id"]
    engine.store.delete(f"lease:acme:{book.master.public_id}")
    unreached = order()
    answer = manager.post(book.url + "orders", unreached)
    assert answer.status_code == 503
    assert "no_engine" in answer.content.decode()
    assert command_id_of(answer) == unreached["command_id"]


def test_an_unknown_outcome_is_called_unknown_and_asked_again_with_the_same_id(
    book: Book, manager: Client, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    defaults = engine_client.execute.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "timeout_s", 0.3)
    engine.mute = True
    ticket = order()
    answer = manager.post(book.url + "orders", ticket)
    assert answer.status_code == 504
    assert "Outcome not known" in text_of(answer)
    assert "Ask again" in text_of(answer)
    assert command_id_of(answer) == ticket["command_id"]
    engine.mute = False
    again = manager.post(book.url + "orders", ticket)
    assert again.status_code == 200
    assert "Block sent" in text_of(again)
    assert [command.command_id for command in engine.executed] == [uuid.UUID(ticket["command_id"])]


def test_the_closing_dialog_states_volume_and_closes_what_it_stated(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    placed = order()
    manager.post(book.url + "orders", placed)
    row = block(book, id=uuid.UUID(placed["command_id"]))
    url = f"{book.url}blocks/{row.id}/close"
    dialog = manager.get(url)
    assert "1.00 lots" in text_of(dialog)
    assert 'value="1.00"' in dialog.content.decode()
    form = {"command_id": command_id_of(dialog), "volume_lots": "1.00"}
    answer = manager.post(url, form)  # the fake's block is sent, not filled: the book says so
    assert answer.status_code == 422
    assert "block_not_open" in answer.content.decode()
    command = engine.executed[-1]
    assert isinstance(command, CloseBlock)
    assert command.volume_lots is None, "all of it is asked for as all of it"
    manager.post(url, form | {"command_id": str(uuid.uuid4()), "volume_lots": "0.40"})
    assert engine.executed[-1].volume_lots == Decimal("0.40")
    assert manager.post(url, form | {"volume_lots": ""}).status_code == 422


def test_a_pending_order_is_cancelled_once(book: Book, manager: Client, engine: FakeEngine) -> None:
    placed = order(kind="limit", price="1.08000")
    answer = manager.post(book.url + "orders", placed)
    assert "Order is waiting" in text_of(answer)
    row = block(book, id=uuid.UUID(placed["command_id"]), state="pending", type="limit")
    url = f"{book.url}blocks/{row.id}/cancel"
    form = {"command_id": command_id_of(manager.get(url))}
    done = manager.post(url, form)
    assert done.status_code == 200
    assert "cancelled" in json.loads(done["HX-Trigger"])["desk-done"]["text"]
    assert manager.post(url, form).status_code == 200
    assert sum(isinstance(command, CancelBlock) for command in engine.executed) == 1
    refused = manager.post(url, {"command_id": str(uuid.uuid4())})
    assert refused.status_code == 422


def test_a_block_of_another_book_is_absent(book: Book, manager: Client, engine: FakeEngine) -> None:
    row = block(book, book_id=uuid.uuid4())
    for path in ("tickets", "close", "cancel"):
        assert manager.get(f"{book.url}blocks/{row.id}/{path}").status_code == 404


def test_a_ticket_carries_its_stops_and_the_token_of_its_preview(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    ticket = order(volume_lots="1.00", stop_loss="1.08", take_profit="1.09", expiry="gtc")
    seen = manager.post(book.url + "preview", ticket)
    found = re.search(r'data-token="([^"]+)"', seen.content.decode())
    assert found is not None
    placed = manager.post(book.url + "orders", {**ticket, "token": found.group(1)})
    assert placed.status_code == 200, text_of(placed)
    command = engine.executed[-1]
    assert isinstance(command, PlaceBlock)
    assert (command.stop_loss, command.take_profit) == (Decimal("1.08"), Decimal("1.09"))
    assert command.token == found.group(1)
    wrong = manager.post(book.url + "orders", order(volume_lots="1.00", stop_loss="1.20"))
    assert wrong.status_code == 422
    assert 'data-error-code="stop_loss_wrong_side"' in wrong.content.decode()


def test_a_block_is_changed_and_everything_is_closed_or_cancelled_from_the_terminal(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    ticket = order(volume_lots="1.00", kind="limit", price="1.05")
    manager.post(book.url + "orders", ticket)
    placed = engine.executed[-1].command_id
    pending = block(book, id=placed, state="pending", type="limit", open_price=None)
    url = f"{book.url}blocks/{pending.id}/amend"
    dialog = manager.get(url)
    amended = manager.post(
        url, {"command_id": command_id_of(dialog), "price": "1.06", "stop_loss": "1.04"}
    )
    assert amended.status_code == 200
    assert "HX-Trigger" in amended
    command = engine.executed[-1]
    assert isinstance(command, AmendBlock)
    assert (command.price, command.stop_loss, command.take_profit) == (
        Decimal("1.06"), Decimal("1.04"), Decimal(0),
    )  # fmt: skip
    everything = book.url + "cancel-all"
    done = manager.post(everything, {"command_id": command_id_of(manager.get(everything))})
    assert json.loads(done["HX-Trigger"])["desk-done"]["text"] == "Cancelled 1 order."
    nothing = book.url + "close-all"
    refused = manager.post(nothing, {"command_id": command_id_of(manager.get(nothing))})
    assert refused.status_code == 422
    assert "nothing_to_close" in refused.content.decode()
