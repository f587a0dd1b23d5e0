"""Trades from outside on the master, through engine and simulator, also while it is down."""

from __future__ import annotations

import asyncio
import uuid
from decimal import Decimal
from typing import Any

import pytest

from apps.accounts.models import Master
from apps.demo.main_job_setup import make_stage
from apps.engine.verification import verify_book
from apps.servers.commands import SubmitOrder
from apps.servers.simulator.admin import open_admin
from apps.servers.types import Side
from tenants.door import broker_schema
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread, committed, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def by_hand(desk: Desk, side: Side, lots: str) -> None:
    """What an EA on the master's login does."""

    def who() -> tuple[str, str, int]:
        with broker_schema(desk.broker):
            account = Master.objects.get(public_id=desk.stage.book_id).account
            return account.server.name, account.server.secret(), account.login

    name, token, login = committed(who)

    async def trade() -> None:
        async with open_admin(desk.sim_url) as admin:
            await admin.log_in(name, token)
            await admin.terminal(
                SubmitOrder(
                    command_id=uuid.uuid4(),
                    login=login,
                    symbol="EURUSD",
                    side=side,
                    lots=Decimal(lots),
                )
            )

    asyncio.run(trade())


def blocks(desk: Desk) -> list[tuple[Any, ...]]:
    return desk.sql(
        "SELECT state, side, filled_steps, open_steps, origin FROM {block}"
        " WHERE book_id = %s ORDER BY seq, placed_at",
        desk.stage.book_id,
    )


def test_an_ea_opens_closes_in_parts_and_turns_also_while_the_engine_is_down(
    own_broker: Broker, simulator: str
) -> None:
    slug = own_broker.slug
    with EngineThread(f"{slug}/one", slug):
        stage = committed(lambda: make_stage(slug, 10, seed=6, say=lambda _: None))
        desk = Desk(stage, simulator)
        by_hand(desk, Side.BUY, "3.00")
        wait_for(lambda: blocks(desk) == [("open", 1, 300, 300, "outside")])
        by_hand(desk, Side.SELL, "1.00")
        wait_for(lambda: blocks(desk) == [("open", 1, 300, 200, "outside")])
        desk.verify()
    by_hand(desk, Side.SELL, "2.00")  # closes the rest
    by_hand(desk, Side.BUY, "0.70")  # opens
    by_hand(desk, Side.SELL, "0.90")  # closes it, and turns by 0.20
    with EngineThread(f"{slug}/two", slug):
        want = [
            ("closed", 1, 300, 0, "outside"),
            ("closed", 1, 70, 0, "outside"),
            ("open", -1, 20, 20, "outside"),
        ]
        wait_for(lambda: sorted(blocks(desk)) == sorted(want))
        by_hand(desk, Side.BUY, "0.20")
        wait_for(lambda: {row[0] for row in blocks(desk)} == {"closed"})
        report = verify_book(slug, desk.stage.book_id)
        assert report.server == "equal"
