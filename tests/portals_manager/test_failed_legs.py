"""Failed legs in the terminal: how many and why, and sent again by decision."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from decimal import Decimal

from django.test import Client

from apps.allocation.models import Allocation, Block
from apps.core.book.commands import (
    FillReported,
    OrderEnded,
    PlaceBlock,
    RetryLegs,
    SetExecution,
)
from apps.core.book.state import LegIntent
from tenants.door import broker_schema
from tests.portals_manager.conftest import Book
from tests.portals_manager.fake_engine import FakeEngine
from tests.portals_manager.test_orders import block, command_id_of, text_of

LABEL = "Retry failed legs…"


def with_failed_legs(book: Book, *codes: str, **fields: object) -> Block:
    """A block whose accounts' orders failed by these codes in turn; "": it filled."""
    row = block(book, **fields)
    with broker_schema("acme"):
        for linked, code in zip(book.links, codes, strict=True):
            Allocation.objects.create(
                block_id=row.id, account_id=linked.account_id, weight=1, requested_steps=10,
                steps=10, leg_status="failed" if code else "filled", leg_code=code,
            )  # fmt: skip
    return row


def mirrored(engine: FakeEngine, *, failed: int) -> uuid.UUID:
    """A block of the engine's book: the first `failed` legs refused, the others filled."""
    engine.tell(SetExecution(command_id=uuid.uuid4(), mode="mirror"))
    placed = PlaceBlock(
        command_id=uuid.uuid4(), symbol="EURUSD", side="buy", volume_lots=Decimal("1.00")
    )
    engine.tell(placed)
    legs = [one for one in engine.state.intents.values() if isinstance(one, LegIntent)]
    for number, leg in enumerate(sorted(legs, key=lambda one: one.ordinal)):
        if number < failed:
            engine.tell(
                OrderEnded(
                    command_id=uuid.uuid4(), order_id=leg.order_id, how="rejected", code="no_money"
                )
            )
            continue
        engine.tell(
            FillReported(
                command_id=uuid.uuid4(), order_id=leg.order_id, deal_id=str(number),
                steps=leg.own_steps, cum_steps=leg.own_steps, leaves_steps=0, price_points=108_510,
                rates={}, server_seq=number + 1, at_ms=int(time.time() * 1000),
            )
        )  # fmt: skip
    return placed.command_id


def test_a_block_says_how_many_of_its_legs_failed_and_why(book: Book, manager: Client) -> None:
    row = with_failed_legs(book, "no_money", "leg_below_min", "")
    assert "2 legs failed" in text_of(manager.get(book.url + "blocks?view=open"))
    assert "2 legs failed" in text_of(manager.get(book.url + "blocks?view=journal"))
    page = text_of(manager.get(f"{book.url}blocks/{row.id}/tickets"))
    assert "Its server: not enough free margin: 1" in page
    assert "Below its server's smallest order: 1" in page.replace("&#x27;", "'")
    assert LABEL in page
    dialog = text_of(manager.get(f"{book.url}blocks/{row.id}/retry-legs"))
    assert "2 legs failed" in dialog
    assert "1 of them has no order to send" in dialog


def test_only_who_trades_an_open_block_with_something_to_send_is_offered_it(
    book: Book, as_user: Callable[[str], Client]
) -> None:
    rows = {
        "open": with_failed_legs(book, "no_money", "", ""),
        "closed": with_failed_legs(book, "no_money", "", "", state="closed"),
        "never sent": with_failed_legs(book, "symbol_not_mapped", "", ""),
        "filled": with_failed_legs(book, "", "", ""),
    }

    def offered(who: str) -> set[str]:
        return {
            name
            for name, row in rows.items()
            if LABEL in text_of(as_user(who).get(f"{book.url}blocks/{row.id}/tickets"))
        }

    assert offered("manager") == {"open"}
    assert offered("admin") == set()
    whole = text_of(as_user("manager").get(f"{book.url}blocks/{rows['filled'].id}/tickets"))
    assert "failed" not in whole
    page = as_user("manager").get(f"{book.url}blocks/{rows['never sent'].id}/retry-legs")
    assert 'type="submit" disabled' in page.content.decode()


def test_all_failed_legs_are_sent_again_once(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    block_id = mirrored(engine, failed=2)
    with_failed_legs(book, "no_money", "no_money", "", id=block_id)
    url = f"{book.url}blocks/{block_id}/retry-legs"
    told = {"command_id": command_id_of(manager.get(url))}
    done = manager.post(url, told)
    assert done.status_code == 200, text_of(done)
    assert "2 legs are sent again" in done["HX-Trigger"]
    last = engine.executed[-1]
    assert isinstance(last, RetryLegs)
    assert (last.block_id, last.account_ids) == (block_id, None)
    assert last.placed_by == str(book.users["manager"].public_id)
    assert "2 legs are sent again" in manager.post(url, told)["HX-Trigger"]
    assert engine.executed[-1] is last, "the same command sends nothing again"


def test_a_retry_with_nothing_to_send_is_refused_under_its_code(
    book: Book, manager: Client, engine: FakeEngine
) -> None:
    block_id = mirrored(engine, failed=0)
    with_failed_legs(book, "no_money", "", "", id=block_id)
    url = f"{book.url}blocks/{block_id}/retry-legs"
    told = {"command_id": command_id_of(manager.get(url))}
    refused = manager.post(url, told)
    assert refused.status_code == 422
    assert 'data-error-code="nothing_to_retry"' in refused.content.decode()
    assert command_id_of(refused) != told["command_id"]
