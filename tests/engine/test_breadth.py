"""Rules, terms, stops, amendments and everything at once, through the engine and the simulator."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from apps.core.allocation import Method, Rule
from apps.core.book import commands as c
from apps.core.book.terms import LinkTerms
from apps.core.errors import ConflictError, InputError, RejectedError
from apps.engine import client
from tests.engine.desk import Desk, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


@pytest.fixture(autouse=True)
def _flat_after(desk: Desk) -> Iterator[None]:
    """Every test leaves the book flat, with everybody active and the default rule."""
    yield
    for command in (c.CancelAll, c.CloseAll):
        try:
            desk.execute(command(command_id=uuid.uuid4()))
        except RejectedError:
            continue
    wait_for(lambda: not open_blocks(desk))
    set_rule(desk, Rule())
    for account in desk.stage.account_ids:
        desk.execute(c.SetLinkStatus(command_id=uuid.uuid4(), account_id=account, status="active"))
        desk.execute(c.SetLinkTerms(command_id=uuid.uuid4(), account_id=account, terms=LinkTerms()))
    desk.verify()


def open_blocks(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.sql(
        "SELECT id FROM {block} WHERE book_id = %s AND state IN ('pending', 'sent', 'open')",
        desk.stage.book_id,
    )


def set_rule(desk: Desk, rule: Rule, **defaults: Any) -> None:
    desk.execute(c.SetRule(command_id=uuid.uuid4(), rule=rule, defaults=LinkTerms(**defaults)))


def shares(desk: Desk, block_id: uuid.UUID) -> dict[int, tuple[int, str]]:
    rows = desk.sql(
        "SELECT account_id, steps, reason FROM {allocation} WHERE block_id = %s", block_id
    )
    return {account: (steps, reason) for account, steps, reason in rows}


METHODS = [
    (Method.BALANCE, {}),
    (Method.EQUAL, {}),
    (Method.PERCENT, {"parameter": Decimal(10)}),
    (Method.LOT_FIXED, {"lots": Decimal("0.03")}),
    (Method.LOT_WEIGHTS, {"lots": Decimal("0.03")}),
    (Method.RATIO, {"parameter": Decimal("0.01")}),
    (Method.EQUITY_PERCENT, {"parameter": Decimal(3)}),
    (Method.EQUITY_PERCENT_SHARE, {"parameter": Decimal(3)}),
    (Method.RISK_PERCENT, {"parameter": Decimal(1)}),
]


@pytest.mark.parametrize(("method", "defaults"), METHODS)
def test_every_method_trades_as_it_previews(
    desk: Desk, method: Method, defaults: dict[str, Any]
) -> None:
    set_rule(desk, Rule(method=method), **defaults)
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        command = c.PlaceBlock(
            command_id=uuid.uuid4(),
            symbol="EURUSD",
            side="buy",
            volume_lots=Decimal("2.00"),
            stop_loss=Decimal("1.07000"),
        )
        seen = client.preview(desk.broker, desk.stage.book_id, command)
        desk.execute(command)
        desk.wait_state(command.command_id, "open")
    found = shares(desk, command.command_id)
    assert sum(steps for steps, _ in found.values()) == seen.order_steps > 0
    for row in seen.rows:  # rates of other currencies move with their quotes meanwhile
        assert abs(found[row.account_id][0] - row.steps) <= 1
    ((rule,),) = desk.sql("SELECT rule FROM {block} WHERE id = %s", command.command_id)
    assert rule["method"] == method


def test_terms_and_pauses_come_by_the_journal_and_are_shown(desk: Desk) -> None:
    capped, paused, manual = desk.stage.account_ids[:3]
    set_rule(desk, Rule(method=Method.EQUAL))
    desk.execute(
        c.SetLinkTerms(
            command_id=uuid.uuid4(),
            account_id=capped,
            terms=LinkTerms(max_order_lots=Decimal("0.04")),
        )
    )
    desk.execute(c.SetLinkStatus(command_id=uuid.uuid4(), account_id=paused, status="paused"))
    block_id = desk.place("0.90", manual_lots={manual: Decimal("0.02")})
    desk.wait_state(block_id, "open")
    found = shares(desk, block_id)
    assert found[capped] == (4, "cap_account")
    assert found[paused] == (0, "paused")
    assert found[manual] == (2, "manual")
    rows = desk.sql("SELECT account_id, status, params FROM {link} WHERE status <> 'detached'")
    linked = {account: (status, params) for account, status, params in rows}
    assert linked[paused][0] == "paused"
    assert linked[capped][1] == {"max_order_lots": "0.04"}


def test_a_stop_loss_closes_the_block_by_itself_when_the_quote_reaches_it(desk: Desk) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        block_id = desk.place("1.00", take_profit=Decimal("1.09"))
        desk.wait_state(block_id, "open")
        desk.execute(
            c.AmendBlock(command_id=uuid.uuid4(), block_id=block_id, stop_loss=Decimal("1.07900"))
        )
        set_price(107_899, 107_909)
        desk.wait_state(block_id, "closed")
    ((price, tickets),) = desk.sql(
        "SELECT b.close_price, (SELECT count(DISTINCT close_price) FROM {ticket} t"
        " WHERE t.block_id = b.id) FROM {block} b WHERE id = %s",
        block_id,
    )
    assert (price, tickets) == (Decimal("1.07899"), 1)


def test_a_pending_order_is_amended_expires_and_is_cancelled(desk: Desk) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        dated = desk.place(
            "1.00",
            kind="limit",
            price=Decimal("1.07000"),
            expiry="date",
            expires_at_ms=time.time_ns() // 1_000_000 + 1_000,
        )
        moved = desk.place("1.00", kind="limit", price=Decimal("1.07000"))
        desk.execute(
            c.AmendBlock(
                command_id=uuid.uuid4(),
                block_id=moved,
                price=Decimal("1.07990"),
                volume_lots=Decimal("1.50"),
            )
        )
        desk.wait_state(dated, "cancelled")
        assert desk.sql("SELECT reject_code FROM {block} WHERE id = %s", dated) == [("expired",)]
        left = desk.place("1.00", kind="limit", price=Decimal("1.06000"))
        set_price(107_970, 107_980)
        desk.wait_state(moved, "open")
        assert desk.sql("SELECT filled_steps FROM {block} WHERE id = %s", moved) == [(150,)]
        desk.execute(c.CancelAll(command_id=uuid.uuid4()))
        desk.wait_state(left, "cancelled")


def test_close_by_symbol_leaves_the_others_open(desk: Desk) -> None:
    euro, pound = desk.place("1.00"), desk.place("1.00", "GBPUSD")
    desk.wait_state(euro, "open")
    desk.wait_state(pound, "open")
    outcome = desk.execute(c.CloseAll(command_id=uuid.uuid4(), symbol="EURUSD"))
    assert outcome.result["blocks"] == 1
    desk.wait_state(euro, "closed")
    assert desk.state_of(pound) == "open"


def test_a_token_executes_what_was_previewed_and_a_forged_one_does_not(desk: Desk) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        command = c.PlaceBlock(
            command_id=uuid.uuid4(), symbol="EURUSD", side="buy", volume_lots=Decimal("2.37")
        )
        seen = client.preview(desk.broker, desk.stage.book_id, command)
        assert seen.tolerance_points == 20
        set_price(108_015, 108_025)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08015")
        desk.execute(msgspec.structs.replace(command, token=seen.token))
        desk.wait_state(command.command_id, "open")
        found = shares(desk, command.command_id)
        assert {row.account_id: row.steps for row in seen.rows} == {
            account: steps for account, (steps, _) in found.items()
        }
        seen = client.preview(desk.broker, desk.stage.book_id, command)
        late = msgspec.structs.replace(command, command_id=uuid.uuid4(), token=seen.token)
        set_price(108_100, 108_110)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08100")
        with pytest.raises(ConflictError) as caught:
            desk.execute(late)
        assert caught.value.code == "preview_quote_moved"
        assert caught.value.details["moved_points"] == "85"
        forged = msgspec.structs.replace(late, token=seen.token[:-1] + "x")
        with pytest.raises(InputError) as refused:
            desk.execute(forged)
        assert refused.value.code == "preview_token_invalid"
