"""What must survive: lost acks, duplicates, a dead engine, a stale owner, a forged row."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis

from apps.core.book.commands import Inputs, OpenBook
from apps.core.book.records import GENESIS, Record, make_record
from apps.engine import channels, sql
from apps.engine.journal import Journal, LeaseLostError, Pool, RepeatedCommandError
from apps.engine.lease import Leases
from tenants.models import Broker
from tests.engine.desk import Desk

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database
T = TypeVar("T")


def first_record(book_id: uuid.UUID, epoch: int) -> Record:
    opening = OpenBook(
        command_id=uuid.uuid5(book_id, "open"),
        book_id=book_id,
        book_no=1,
        master_login=1,
        currency="USD",
        currency_digits=2,
    )
    inputs = Inputs(now_ms=1)
    return make_record(None, opening, inputs, seq=1, epoch=epoch, previous=GENESIS)[0]


def with_leases(broker: str, use: Callable[[Journal, Leases, Leases], Awaitable[T]]) -> T:
    """Run `use` with a journal and the leases of two engines."""

    async def run() -> T:
        pool: Pool = AsyncConnectionPool(
            sql.conninfo(),
            connection_class=AsyncConnection,
            kwargs={"autocommit": True},
            min_size=1,
            open=False,
        )
        await pool.open()
        redis = Redis.from_url(settings.REDIS_URL)
        try:
            one, two = (Leases(pool, redis, name) for name in ("one", "two"))
            return await use(Journal(pool, broker), one, two)
        finally:
            await redis.aclose()
            await pool.close()

    return asyncio.run(run())


def test_a_stale_owner_writes_nothing(own_broker: Broker, desk: Desk) -> None:
    book_id = uuid.uuid4()

    async def run(journal: Journal, one: Leases, two: Leases) -> None:
        broker = own_broker.slug
        epoch = await one.take(broker, book_id, steal_own=True)
        assert epoch == 1
        assert await two.take(broker, book_id, steal_own=True) is None
        old = "UPDATE {lease} SET heartbeat_at = now() - interval '6 s' WHERE book_id = %s"
        await asyncio.to_thread(desk.do, old, book_id)
        assert await two.take(broker, book_id, steal_own=True) == 2
        with pytest.raises(LeaseLostError):
            await journal.append(book_id, 1, [first_record(book_id, 1)])
        assert [page async for page in journal.tail(book_id, 0)] == []
        assert await one.renew(broker, {book_id: 1}) == {book_id}
        record = first_record(book_id, 2)
        await journal.append(book_id, 2, [record])
        with pytest.raises(RepeatedCommandError):
            await journal.append(book_id, 2, [msgspec.structs.replace(record, seq=2)])

    with_leases(own_broker.slug, run)
    desk.do("DELETE FROM {journal} WHERE book_id = %s", book_id)
    desk.do("DELETE FROM {lease} WHERE book_id = %s", book_id)


@pytest.mark.parametrize(
    "fault", ["lose_ack", "drop_before", "drop_after", "duplicate_fill", "reorder"]
)
def test_a_faulty_server_executes_every_order_once(desk: Desk, fault: str) -> None:
    desk.fault(fault)
    block_id = desk.place("3.00")
    desk.wait_state(block_id, "open")
    desk.close(block_id)
    desk.wait_state(block_id, "closed")
    ((filled, tickets),) = desk.sql(
        "SELECT b.filled_steps, (SELECT sum(steps) FROM {ticket} WHERE block_id = b.id)"
        " FROM {block} b WHERE b.id = %s",
        block_id,
    )
    assert filled == tickets == 300
    desk.verify()


def test_fills_in_parts_give_one_price_and_the_whole_volume(desk: Desk) -> None:
    desk.fault("partial", steps=120)
    block_id = desk.place("5.00")
    desk.wait_state(block_id, "open")
    ((volume, prices),) = desk.sql(
        "SELECT sum(steps), count(DISTINCT open_price) FROM {ticket} WHERE block_id = %s", block_id
    )
    assert (volume, prices) == (500, 1)
    desk.flat()
    desk.verify()


def rows_of(desk: Desk) -> dict[str, list[tuple[Any, ...]]]:
    """All projected rows but for what is not from the journal: surrogate ids and marks."""
    book = "WHERE block_id IN (SELECT id FROM {block} WHERE book_id = %s)"
    columns = {
        "block": "* FROM {block} WHERE book_id = %s",
        "allocation": f"block_id, account_id, weight, requested_steps, steps, reason"
        f" FROM {{allocation}} {book}",
        "ticket": f"* FROM {{ticket}} {book}",
        "deal": f"ticket_id, block_id, account_id, entry, steps, price, rate, pnl_minor, at, seq"
        f" FROM {{deal}} {book}",
        "account": "account_id, currency, opening_balance_minor, balance_minor, seq"
        " FROM {account_state} WHERE book_id = %s",
    }
    return {
        name: sorted(desk.sql(f"SELECT {what}", desk.stage.book_id), key=repr)
        for name, what in columns.items()
    }


def test_rebuilt_projections_are_the_same_rows(desk: Desk) -> None:
    block_id = desk.place("2.50", "USDJPY", side="sell")
    desk.wait_state(block_id, "open")
    desk.flat()
    desk.verify()
    before = rows_of(desk)
    assert len(before["ticket"]) > 5
    desk.do("UPDATE {ticket} SET realised_minor = 1, open_steps = 9 WHERE block_id = %s", block_id)
    call_command("rebuild_projections", broker=desk.broker, book=desk.stage.book_id)
    assert rows_of(desk) == before
    desk.verify()


def verify_fails(desk: Desk, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(CommandError):
        call_command("verify", broker=desk.broker, book=desk.stage.book_id, no_server=True)
    return capsys.readouterr().err


def test_verify_names_a_record_that_was_tampered_with(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    where = "WHERE book_id = %s AND seq = 5"
    ((body,),) = desk.sql(f"SELECT body FROM {{journal}} {where}", desk.stage.book_id)
    forged = bytes(body[:-1]) + bytes([body[-1] ^ 1])
    desk.do(f"UPDATE {{journal}} SET body = %s {where}", forged, desk.stage.book_id)
    assert "Record 5" in verify_fails(desk, capsys)
    desk.do(f"UPDATE {{journal}} SET body = %s {where}", body, desk.stage.book_id)
    desk.verify()


def test_verify_names_a_row_that_was_tampered_with(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    account_id = desk.stage.account_ids[2]
    change = "UPDATE {account_state} SET balance_minor = balance_minor + %s WHERE account_id = %s"
    desk.do(change, 1, account_id)
    assert f"account {account_id}" in verify_fails(desk, capsys)
    desk.do(change, -1, account_id)
    desk.verify()


def test_channels_carry_the_broker() -> None:
    book_id = uuid.uuid4()
    for name in (channels.commands, channels.lease, channels.frame, channels.frames):
        assert name("acme", book_id) != name("globex", book_id)
        assert "acme" in name("acme", book_id)
