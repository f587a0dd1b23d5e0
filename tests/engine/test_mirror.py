"""Mirror mode through the running engine, on a server that cannot book shares of one order."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import call_command

from apps.core.book.commands import (
    AmendBlock,
    CancelBlock,
    RetryLegs,
    SetExecution,
    UnlinkAccount,
)
from apps.core.errors import RejectedError
from apps.demo.main_job_setup import make_stage, server_of
from apps.engine import client
from apps.servers.commands import BalanceOperation
from apps.servers.registry import open_server
from apps.servers.simulator.admin import open_admin
from tenants.door import broker_schema
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread, committed, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def plain_server(slug: str) -> None:
    """The broker's server, made as one without block allocation before anybody else makes it."""
    with broker_schema(slug):
        row = server_of(slug)

    async def create() -> None:
        async with open_admin(row.config["url"]) as admin:
            await admin.create_server(row.name, row.secret(), block_allocation=False)

    asyncio.run(create())


@pytest.fixture(scope="module")
def desk(own_broker: Broker, simulator: str) -> Iterator[Desk]:
    """A running engine with a book of ten accounts, none of which can be booked."""
    slug = own_broker.slug
    committed(lambda: plain_server(slug))
    with EngineThread(f"{slug}/one", slug):
        stage = make_stage(slug, 10, seed=5, say=lambda _: None)
        yield Desk(stage, simulator)


def legs(desk: Desk, block_id: uuid.UUID) -> list[tuple[int, int, str, str, int | None]]:
    return desk.sql(
        "SELECT account_id, steps, leg_status, leg_code, slippage_points FROM {allocation}"
        " WHERE block_id = %s AND steps > 0 ORDER BY account_id",
        block_id,
    )


def tickets(desk: Desk, block_id: uuid.UUID) -> list[tuple[int, int, int, Decimal]]:
    return desk.sql(
        "SELECT account_id, steps, open_steps, open_price FROM {ticket}"
        " WHERE block_id = %s ORDER BY account_id",
        block_id,
    )


def settle(desk: Desk, block_id: uuid.UUID) -> None:
    """Until no leg of the block is on its way."""
    wait_for(
        lambda: (
            (found := legs(desk, block_id))
            and all(status in ("filled", "failed") for _, _, status, _, _ in found)
        )
    )


def test_every_account_has_an_order_and_a_price_of_its_own_and_the_promised_share(
    desk: Desk,
) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        block_id = desk.place("5.00")
        settle(desk, block_id)
        opened = tickets(desk, block_id)
        assert [(a, s) for a, s, _, _ in opened] == [(a, s) for a, s, *_ in legs(desk, block_id)]
        assert {price for *_, price in opened} == {Decimal("1.08010")}
        assert {slip for *_, slip in legs(desk, block_id)} == {0}
        ((state, price, filled),) = desk.sql(
            "SELECT state, open_price, filled_steps FROM {block} WHERE id = %s", block_id
        )
        assert (state, price, filled) == ("open", Decimal("1.08010"), sum(s for _, s, *_ in opened))
        set_price(108_100, 108_110)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08100")
        wait_for(
            lambda: any(
                view.block_id == block_id and view.floating_minor == filled * 90 * 1
                for view in client.latest_frame(desk.broker, desk.stage.book_id).blocks  # type: ignore[union-attr]
            )
        )
        desk.close(block_id, fraction=Decimal("0.5"))
        wait_for(lambda: sum(o for _, _, o, _ in tickets(desk, block_id)) < filled)
        wait_for(lambda: sum(o for _, _, o, _ in tickets(desk, block_id)) == filled - filled // 2)
        desk.close(block_id)
        desk.wait_state(block_id, "closed")
    report = desk.verify()
    assert report.counts["LegFilled"] == report.counts["LegClosed"] - len(opened) == len(opened)


def test_slippage_is_recorded_against_the_price_of_the_decision(desk: Desk) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        desk.fault("partial", steps=1)  # the first leg is filled step by step, quote by quote
        block_id = desk.place("4.00")
        wait_for(lambda: sum(s == "filled" for _, _, s, _, _ in legs(desk, block_id)) >= 5)
        while any(status == "sent" for _, _, status, _, _ in legs(desk, block_id)):
            set_price(108_010, 108_020)
            time.sleep(0.02)
        slips = [slip for *_, slip in legs(desk, block_id)]
        assert sorted(slip for slip in slips if slip) != []
        assert slips.count(0) == len(slips) - 1
        assert 0 < max(slips) <= 10  # type: ignore[type-var, operator]
    desk.flat()
    desk.verify()


@pytest.mark.parametrize(
    "fault", ["lose_ack", "drop_before", "drop_after", "duplicate_fill", "reorder"]
)
def test_a_faulty_server_executes_every_leg_once(desk: Desk, fault: str) -> None:
    desk.fault(fault, count=2)
    block_id = desk.place("3.00")
    settle(desk, block_id)
    assert {status for _, _, status, _, _ in legs(desk, block_id)} == {"filled"}
    assert {s == o for _, s, o, _ in tickets(desk, block_id)} == {True}
    desk.close(block_id)
    desk.wait_state(block_id, "closed")
    desk.verify()


def move_money_at_the_server(desk: Desk, account_id: int, amount: Decimal | None) -> Decimal:
    """Deposit `amount`, or take all that is free (None), behind the book's back; the amount."""
    with broker_schema(desk.broker):
        row = server_of(desk.broker)
    ((login,),) = desk.sql("SELECT login FROM {account} WHERE id = %s", account_id)

    async def move() -> Decimal:
        server = open_server(row.kind, {**row.config, "token": row.secret()})
        await server.connect()
        try:
            moved = (await server.account_state(login)).free if amount is None else amount
            await server.balance(
                BalanceOperation(
                    command_id=uuid.uuid4(),
                    login=login,
                    kind="withdrawal" if amount is None else "deposit",
                    amount=moved,
                )
            )
            return moved
        finally:
            await server.close()

    return asyncio.run(move())


def test_a_refused_leg_is_shown_with_its_reason_and_sent_again_only_when_told(desk: Desk) -> None:
    account_id = desk.stage.account_ids[3]
    amount = committed(lambda: move_money_at_the_server(desk, account_id, None))
    block_id = desk.place("5.00")
    settle(desk, block_id)
    failed = [row for row in legs(desk, block_id) if row[2] == "failed"]
    assert [(row[0], row[3]) for row in failed] == [(account_id, "no_money")]
    committed(lambda: move_money_at_the_server(desk, account_id, amount))
    time.sleep(0.5)
    assert account_id not in {account for account, *_ in tickets(desk, block_id)}
    command = RetryLegs(command_id=uuid.uuid4(), block_id=block_id, account_ids=[account_id])
    assert desk.execute(command).result["account_ids"] == [account_id]
    wait_for(lambda: account_id in {account for account, *_ in tickets(desk, block_id)})
    assert desk.execute(command).repeated  # the same command sends nothing again
    again = RetryLegs(command_id=uuid.uuid4(), block_id=block_id)
    with pytest.raises(RejectedError, match="No failed leg"):
        desk.execute(again)
    desk.flat()
    desk.verify()


def test_stop_loss_closes_every_leg(desk: Desk) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["EURUSD"].bid == "1.08000")
        block_id = desk.place("2.00", take_profit=Decimal("1.09000"))
        settle(desk, block_id)
        amend = AmendBlock(command_id=uuid.uuid4(), block_id=block_id, stop_loss=Decimal("1.07900"))
        desk.execute(amend)
        set_price(107_890, 107_900)
        desk.wait_state(block_id, "closed")
        prices = desk.sql("SELECT DISTINCT close_price FROM {ticket} WHERE block_id = %s", block_id)
        assert prices == [(Decimal("1.07890"),)]
    desk.verify()


def test_one_who_leaves_is_closed_by_an_order_of_its_own(desk: Desk) -> None:
    block_id = desk.place("3.00")
    settle(desk, block_id)
    leaver = desk.stage.account_ids[-1]
    desk.execute(UnlinkAccount(command_id=uuid.uuid4(), account_id=leaver))
    wait_for(lambda: all(o == 0 for a, _, o, _ in tickets(desk, block_id) if a == leaver))
    others = [o for a, _, o, _ in tickets(desk, block_id) if a != leaver]
    assert all(others)
    desk.flat()
    desk.verify()


def test_a_waiting_block_is_sent_to_all_at_its_trigger_and_can_be_cancelled_before(
    desk: Desk,
) -> None:
    with desk.price("GBPUSD") as set_price:
        set_price(127_000, 127_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["GBPUSD"].bid == "1.27000")
        block_id = desk.place("2.00", "GBPUSD", kind="limit", price=Decimal("1.26900"))
        off = desk.place("2.00", "GBPUSD", kind="limit", price=Decimal("1.26900"))
        desk.execute(CancelBlock(command_id=uuid.uuid4(), block_id=off))
        set_price(126_890, 126_900)
        settle(desk, block_id)
        assert legs(desk, off) == []
    desk.flat()
    desk.verify()


def test_block_mode_is_refused_here_and_rebuilt_rows_are_the_same(desk: Desk) -> None:
    with pytest.raises(RejectedError, match="cannot book"):
        desk.execute(SetExecution(command_id=uuid.uuid4(), mode="block"))
    desk.execute(SetExecution(command_id=uuid.uuid4(), mode="mirror"))
    wait_for(
        lambda: (
            desk.sql("SELECT execution FROM {master} WHERE public_id = %s", desk.stage.book_id)
            == [("mirror",)]
        )
    )
    columns = "block_id, account_id, steps, leg_status, leg_code, slippage_points"
    query = f"SELECT {columns} FROM {{allocation}} ORDER BY block_id, account_id"
    before = desk.sql(query), desk.sql("SELECT * FROM {ticket} ORDER BY id")
    call_command("rebuild_projections", broker=desk.broker, book=desk.stage.book_id)
    assert (desk.sql(query), desk.sql("SELECT * FROM {ticket} ORDER BY id")) == before
    desk.verify()
