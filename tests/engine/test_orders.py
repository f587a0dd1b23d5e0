"""Stop-limit, trailing, reverse, close-by, VWAP, late fills: through engine and simulator."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from apps.core.book import commands as c
from apps.core.book.reversing import opposite_block_id
from apps.core.errors import RejectedError
from tests.engine.desk import Desk, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


@pytest.fixture(autouse=True)
def _flat_after(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every test that uses the shared desk leaves it flat, equal to the server's books."""
    desk: Desk | None = request.getfixturevalue("desk") if "desk" in request.fixturenames else None
    yield
    if desk is None:
        return
    for command in (c.CancelAll, c.CloseAll):
        try:
            desk.execute(command(command_id=uuid.uuid4()))
        except RejectedError:
            continue
    wait_for(lambda: not waiting(desk))
    for account in desk.stage.account_ids:
        desk.execute(c.SetLinkStatus(command_id=uuid.uuid4(), account_id=account, status="active"))
    desk.verify()


def waiting(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.sql(
        "SELECT id FROM {block} WHERE book_id = %s AND state IN ('pending', 'sent', 'open')",
        desk.stage.book_id,
    )


def stop_of(desk: Desk, block_id: uuid.UUID) -> Decimal | None:
    stop: Decimal | None = desk.column(block_id, "stop_loss")[0]
    return stop


def test_a_stop_limit_becomes_a_limit_at_the_server_and_fills_at_its_price(desk: Desk) -> None:
    with desk.euro() as quote:
        block_id = desk.place(
            "2.00", kind="stop_limit", price=Decimal("1.08100"), limit_price=Decimal("1.08050")
        )
        desk.wait_state(block_id, "pending")
        quote(108_090, 108_100)
        desk.wait_state(block_id, "sent")
        time.sleep(0.3)
        assert desk.state_of(block_id) == "sent"  # it rests: the ask is above its limit
        quote(108_040, 108_050)
        desk.wait_state(block_id, "open")
    found = desk.column(block_id, "type", "limit_price", "stop_limit_price", "open_price")
    assert found == ("stop_limit", Decimal("1.081"), Decimal("1.0805"), Decimal("1.0805"))


def test_a_trailing_stop_follows_the_price_and_closes_the_block(desk: Desk) -> None:
    with desk.euro() as quote:
        block_id = desk.place(
            "2.00", trailing_distance=Decimal("0.00100"), trailing_step=Decimal("0.00010")
        )
        desk.wait_state(block_id, "open")
        wait_for(lambda: stop_of(desk, block_id) == Decimal("1.07910"))
        quote(108_200, 108_210)
        wait_for(lambda: stop_of(desk, block_id) == Decimal("1.08100"))
        quote(108_150, 108_160)
        time.sleep(0.3)
        assert stop_of(desk, block_id) == Decimal("1.08100")
        desk.execute(
            c.AmendBlock(
                command_id=uuid.uuid4(), block_id=block_id, trailing_distance=Decimal("0.00040")
            )
        )
        wait_for(lambda: stop_of(desk, block_id) == Decimal("1.08110"))
        quote(108_109, 108_119)
        desk.wait_state(block_id, "closed")
    assert desk.column(block_id, "close_price") == (Decimal("1.08109"),)


def test_a_reversal_closes_and_opens_the_opposite(desk: Desk) -> None:
    with desk.euro():
        block_id = desk.place("3.00")
        desk.wait_state(block_id, "open")
        command = c.ReverseBlock(command_id=uuid.uuid4(), block_id=block_id)
        outcome = desk.execute(command)
        opposite = opposite_block_id(command.command_id)
        assert outcome.result["block_id"] == str(opposite)
        desk.wait_state(block_id, "closed")
        desk.wait_state(opposite, "open")
        again = desk.execute(command)
        assert again.repeated
    found = desk.column(opposite, "side", "filled_steps", "origin")
    assert found == (-1, 300, "reverse")


def test_a_refused_second_leg_leaves_the_block_closed_and_says_why(desk: Desk) -> None:
    with desk.euro():
        block_id = desk.place("3.00")
        desk.wait_state(block_id, "open")
        for account in desk.stage.account_ids:
            command = c.SetLinkStatus(
                command_id=uuid.uuid4(), account_id=account, status="close_only"
            )
            desk.execute(command)
        reverse = c.ReverseBlock(command_id=uuid.uuid4(), block_id=block_id)
        desk.execute(reverse)
        desk.wait_state(block_id, "closed")
        opposite = opposite_block_id(reverse.command_id)
        desk.wait_state(opposite, "rejected")
    assert desk.column(opposite, "reject_code") == ("nothing_allocated",)


def test_two_blocks_close_each_other_without_an_order(desk: Desk) -> None:
    with desk.euro() as quote:
        long = desk.place("3.00")
        desk.wait_state(long, "open")
        quote(108_500, 108_510)
        short = desk.place("1.00", side="sell")
        desk.wait_state(short, "open")
        seen = "SELECT account_id, balance_minor FROM {account_state} WHERE book_id = %s"
        before = dict(desk.sql(seen, desk.stage.book_id))
        outcome = desk.execute(
            c.CloseBy(command_id=uuid.uuid4(), block_id=long, other_block_id=short)
        )
        assert outcome.result["order_steps"] == 0
        closed = outcome.result["closed_steps"]
        wait_for(lambda: desk.column(long, "open_steps") == (300 - closed,))
        assert desk.column(short, "open_steps") == (100 - closed,)
        assert desk.column(long, "close_price") == desk.column(short, "open_price")
        rows = desk.sql(
            "SELECT t.account_id, sum(d.pnl_minor) FROM {deal} d JOIN {ticket} t ON t.id ="
            " d.ticket_id WHERE d.entry = 'out' AND d.block_id IN (%s, %s) GROUP BY 1",
            long,
            short,
        )
        assert rows
        gained = {account: int(pnl) for account, pnl in rows}
        after = dict(desk.sql(seen, desk.stage.book_id))
        assert after == {a: b + gained.get(a, 0) for a, b in before.items()}
        assert desk.verify().server == "equal"


def test_an_order_filled_in_parts_gives_every_account_one_price(desk: Desk) -> None:
    with desk.euro() as quote:
        desk.fault("partial", steps=40)
        block_id = desk.place("1.00")
        desk.wait_state(block_id, "sent")
        quote(108_001, 108_011)
        quote(108_003, 108_013)
        desk.wait_state(block_id, "open")
        prices = desk.sql("SELECT DISTINCT open_price FROM {ticket} WHERE block_id = %s", block_id)
        assert prices == [(Decimal("1.08011"),)]  # 40 · …10 + 40 · …11 + 20 · …13: …11.0
        desk.fault("partial", steps=70)
        desk.close(block_id)
        quote(108_004, 108_014)
        desk.wait_state(block_id, "closed")
    # 70 · …03 + 30 · …04 = …03.3; what the rounding leaves is the house's
    assert desk.column(block_id, "close_price") == (Decimal("1.08003"),)


def test_a_fill_after_the_cancellation_becomes_a_block_of_its_own(desk: Desk) -> None:
    with desk.euro() as quote:
        block_id = desk.place(
            "2.00", kind="stop_limit", price=Decimal("1.08100"), limit_price=Decimal("1.08050")
        )
        desk.wait_state(block_id, "pending")
        quote(108_090, 108_100)
        desk.wait_state(block_id, "sent")
        wait_for(lambda: resting(desk))
        desk.fault("late_fill", steps=60)
        desk.execute(c.CancelBlock(command_id=uuid.uuid4(), block_id=block_id))
        desk.wait_state(block_id, "cancelled")
        late = "SELECT state, side, filled_steps FROM {block} WHERE origin = 'late'"
        wait_for(lambda: desk.sql(late) == [("open", 1, 60)])
        desk.verify()


def resting(desk: Desk) -> bool:
    """The order is at the server: its id was answered."""
    rows = desk.sql(
        "SELECT 1 FROM {block} WHERE state = 'sent' AND placed_at < now() - interval '0.5 s'"
    )
    return bool(rows)
