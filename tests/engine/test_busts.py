"""A deal that the trading server takes back: mirrored on the tickets, to the cent, or refused."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal

import pytest

from apps.core.book.codec import decode
from apps.core.book.records import Body
from apps.core.errors import ConflictError, NotFoundError
from apps.engine import discovery
from apps.servers.simulator.admin import open_admin
from tests.engine.desk import Desk, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def bust(desk: Desk, deal_id: str) -> None:
    """The trading server takes a deal back."""
    (row,) = discovery.discover(desk.broker).servers

    async def run() -> None:
        async with open_admin(desk.sim_url) as admin:
            await admin.log_in(row.config["server"], row.config["token"])
            await admin.bust(deal_id)

    asyncio.run(run())


def body_of(desk: Desk, kind: str) -> Body | None:
    """The newest record of a stimulus of this kind."""
    rows = desk.sql(
        "SELECT body FROM {journal} WHERE book_id = %s ORDER BY seq DESC", desk.stage.book_id
    )
    bodies = (decode(bytes(row[0]), Body) for row in rows)
    return next((one for one in bodies if type(one.stimulus).__name__ == kind), None)


def opening_deal(desk: Desk, block_id: uuid.UUID) -> str:
    """The deal id of the block's fill."""
    desk.wait_state(block_id, "open")
    filled = body_of(desk, "FillReported")
    assert filled is not None
    return str(filled.stimulus.deal_id)  # type: ignore[union-attr]


def test_a_busted_block_is_reversed_without_profit_or_loss(desk: Desk) -> None:
    before = desk.sql("SELECT account_id, balance_minor FROM {account_state} ORDER BY account_id")
    block_id = desk.place("4.00")
    bust(desk, opening_deal(desk, block_id))
    desk.wait_state(block_id, "closed")
    ((open_steps, pnl, prices),) = desk.sql(
        "SELECT sum(open_steps), sum(realised_minor), count(DISTINCT close_price) FROM {ticket}"
        " WHERE block_id = %s AND open_price = close_price",
        block_id,
    )
    assert (open_steps, pnl, prices) == (0, 0, 1)
    after = desk.sql("SELECT account_id, balance_minor FROM {account_state} ORDER BY account_id")
    assert after == before
    desk.verify()


def test_a_bust_is_told_once_and_only_of_a_master(desk: Desk) -> None:
    block_id = desk.place("4.00")
    deal_id = opening_deal(desk, block_id)
    bust(desk, deal_id)
    with pytest.raises(ConflictError, match="taken back before"):
        bust(desk, deal_id)
    with pytest.raises(NotFoundError):
        bust(desk, "987654321")
    desk.wait_state(block_id, "closed")
    desk.verify()


def test_a_bust_of_one_of_two_fills_mirrors_its_own_price(desk: Desk) -> None:
    """What the deal had brought to the average price goes with it."""
    desk.fault("partial", steps=300)
    block_id = desk.place("4.00")
    deal_id = opening_deal(desk, block_id)  # the last one: 100 steps
    bust(desk, deal_id)

    def left() -> bool:
        rows = desk.sql("SELECT open_steps FROM {block} WHERE id = %s", block_id)
        return rows == [(300,)]

    wait_for(left)
    desk.verify()
    desk.flat()
    desk.verify()


def test_a_bust_of_what_is_closed_is_refused_by_name_and_stays_on_the_master(desk: Desk) -> None:
    """The last test here: the master holds the reversal from now on."""
    block_id = desk.place("4.00")
    deal_id = opening_deal(desk, block_id)
    desk.close(block_id, fraction=Decimal("0.5"))
    wait_for(lambda: desk.sql("SELECT open_steps FROM {block} WHERE id = %s", block_id) == [(200,)])
    bust(desk, deal_id)

    def refused() -> str:
        body = body_of(desk, "BustReported")
        event = body.events[0] if body is not None else None
        return getattr(event, "code", "")

    wait_for(lambda: refused() == "bust_not_open")
    assert desk.state_of(block_id) == "open"
