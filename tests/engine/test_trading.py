"""Trading through the client: what is acknowledged, booked, projected and shown."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal

import msgspec
import numpy as np
import pytest

from apps.core.book.commands import (
    AdjustBalance,
    CancelBlock,
    LinkAccount,
    PlaceBlock,
    UnlinkAccount,
)
from apps.core.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    RejectedError,
    UnavailableError,
)
from apps.engine import client
from apps.engine.backfill import write_missing
from apps.engine.status import EngineStatus, engine_status
from apps.servers.types import Bar
from tests.engine.desk import Desk, wait_for

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


def test_a_block_goes_its_whole_way_and_every_sum_holds(desk: Desk) -> None:
    block_id = desk.place("7.31")
    desk.wait_state(block_id, "open")
    desk.close(block_id, fraction=Decimal("0.4"))
    desk.close(block_id)
    desk.wait_state(block_id, "closed")
    ((shares, tickets, prices, left),) = desk.sql(
        "SELECT (SELECT sum(steps) FROM {allocation} WHERE block_id = %s),"
        " sum(steps), count(DISTINCT open_price), sum(open_steps)"
        " FROM {ticket} WHERE block_id = %s",
        block_id,
        block_id,
    )
    assert (shares, tickets, prices, left) == (731, 731, 1, 0)
    report = desk.verify()
    assert report.projected == report.records


def test_a_repeat_gets_the_first_outcome_and_other_content_is_refused(desk: Desk) -> None:
    command = PlaceBlock(
        command_id=uuid.uuid4(), symbol="EURUSD", side="buy", volume_lots=Decimal("1.00")
    )
    first = desk.execute(command)
    again = desk.execute(command)
    assert again.repeated
    assert (again.seq, again.result) == (first.seq, first.result)
    other = PlaceBlock(
        command_id=command.command_id, symbol="EURUSD", side="sell", volume_lots=Decimal("1.00")
    )
    with pytest.raises(ConflictError) as caught:
        desk.execute(other)
    assert caught.value.code == "command_id_reused"
    assert desk.sql("SELECT count(*) FROM {block} WHERE id = %s", command.command_id)[0][0] <= 1
    desk.wait_state(command.command_id, "open")
    desk.flat()


def test_a_refusal_is_remembered_as_the_first_outcome(desk: Desk) -> None:
    command = PlaceBlock(
        command_id=uuid.uuid4(), symbol="NOPE", side="buy", volume_lots=Decimal("1.00")
    )
    for _ in range(2):
        with pytest.raises(NotFoundError) as caught:
            desk.execute(command)
        assert caught.value.code == "unknown_symbol"


def test_without_an_engine_nothing_is_sent_and_it_is_said_at_once(desk: Desk) -> None:
    command = PlaceBlock(
        command_id=uuid.uuid4(), symbol="EURUSD", side="buy", volume_lots=Decimal("1.00")
    )
    began_s = time.monotonic()
    with pytest.raises(UnavailableError) as caught:
        client.execute(desk.broker, uuid.uuid4(), command)
    assert caught.value.code == "no_engine"
    assert time.monotonic() - began_s < 0.5


def test_another_books_block_does_not_exist_here(desk: Desk) -> None:
    with pytest.raises(NotFoundError) as caught:
        desk.close(uuid.uuid4())
    assert caught.value.code == "block_not_open"


def test_closing_more_than_is_open_is_refused_with_what_is_open(desk: Desk) -> None:
    block_id = desk.place("2.00")
    desk.wait_state(block_id, "open")
    with pytest.raises(RejectedError) as caught:
        desk.close(block_id, volume_lots=Decimal("2.01"))
    assert caught.value.code == "close_exceeds_open"
    assert caught.value.details["open_lots"] == "2.00"
    with pytest.raises(InputError):
        desk.close(block_id, fraction=Decimal("1.5"))
    desk.flat()


def test_an_account_that_the_broker_does_not_have_cannot_join(desk: Desk) -> None:
    with pytest.raises(NotFoundError) as caught:
        desk.execute(LinkAccount(command_id=uuid.uuid4(), account_id=10**9))
    assert caught.value.code == "account_unknown"
    with pytest.raises(ConflictError) as again:
        desk.execute(LinkAccount(command_id=uuid.uuid4(), account_id=desk.stage.account_ids[0]))
    assert again.value.code == "already_linked"


def test_status_tells_owner_lag_and_quote_age(desk: Desk) -> None:
    def caught_up() -> EngineStatus | None:
        now = engine_status(desk.broker)
        return now if now.journal_lag == 0 else None

    status = wait_for(caught_up)
    assert status is not None
    assert status.is_up
    assert status.owners == [f"{desk.broker}/one"]
    assert status.quote_age_ms is not None
    assert status.quote_age_ms < 5_000
    assert status.lag_age_ms is None


def test_preview_says_what_placing_does_and_leaves_no_trace(desk: Desk) -> None:
    command = PlaceBlock(
        command_id=uuid.uuid4(), symbol="GBPUSD", side="sell", volume_lots=Decimal("3.17")
    )
    head = desk.sql("SELECT max(seq) FROM {journal} WHERE book_id = %s", desk.stage.book_id)
    seen = client.preview(desk.broker, desk.stage.book_id, command)
    assert desk.sql("SELECT max(seq) FROM {journal} WHERE book_id = %s", desk.stage.book_id) == head
    assert sum(row.steps for row in seen.rows) == seen.order_steps == 317
    desk.execute(command)
    desk.wait_state(command.command_id, "open")
    shares = desk.sql(
        "SELECT account_id, steps FROM {allocation} WHERE block_id = %s", command.command_id
    )
    # Equity moves with the quotes between the two: a share may differ by a step.
    for row in seen.rows:
        assert abs(dict(shares)[row.account_id] - row.steps) <= 1
    desk.flat()


def test_a_frame_holds_every_account_and_follows_the_trade(desk: Desk) -> None:
    block_id = desk.place("4.00")

    def shown() -> client.Frame | None:
        frame = client.latest_frame(desk.broker, desk.stage.book_id)
        open_here = frame and any(b.block_id == block_id for b in frame.blocks)
        return frame if open_here else None

    frame = wait_for(shown)
    assert frame is not None
    assert sorted(frame.vector("account_ids").tolist()) == sorted(desk.stage.account_ids)
    total = frame.vector("balance") + frame.vector("floating")
    assert np.array_equal(total, frame.vector("equity"))
    assert frame.vector("margin").sum() > 0
    assert frame.row(desk.stage.account_ids[0]) is not None
    assert frame.row(-1) is None
    assert set(client.latest_quotes(desk.broker)) >= {"EURUSD", "USDJPY"}
    desk.flat()


def test_a_limit_waits_for_its_price_and_is_cancelled_when_it_never_comes(desk: Desk) -> None:
    with desk.price("AUDUSD") as set_price:
        set_price(65_000, 65_010)
        wait_for(lambda: client.latest_quotes(desk.broker)["AUDUSD"].bid == "0.65000")
        reached = desk.place("1.00", "AUDUSD", kind="limit", price=Decimal("0.64990"))
        never = desk.place("1.00", "AUDUSD", kind="stop", price=Decimal("0.66000"))
        time.sleep(0.4)
        desk.wait_state(reached, "pending")
        set_price(64_970, 64_980)
        desk.wait_state(reached, "open")
        ((price,),) = desk.sql("SELECT open_price FROM {block} WHERE id = %s", reached)
        assert price == Decimal("0.64980")
        desk.execute(CancelBlock(command_id=uuid.uuid4(), block_id=never))
        desk.wait_state(never, "cancelled")
        set_price(64_970, 64_980)
        desk.flat()


def test_money_moves_on_the_server_and_in_the_rows_alike(desk: Desk) -> None:
    account_id = desk.stage.account_ids[3]
    before = desk.adjust(account_id, "deposit", 50_000).result["balance_minor"]
    after = desk.adjust(account_id, "fee", 12_345).result
    assert after["status"] == "done"
    assert after["balance_minor"] == before - 12_345
    with pytest.raises(RejectedError) as caught:
        desk.adjust(account_id, "withdrawal", before * 10)
    assert caught.value.code == "insufficient_funds"
    desk.verify()


def test_leaving_closes_only_the_leavers_tickets_and_detaches(desk: Desk) -> None:
    block_id = desk.place("6.00")
    desk.wait_state(block_id, "open")
    leaver = desk.stage.account_ids[-1]
    rows = "SELECT account_id, open_steps FROM {ticket} WHERE block_id = %s"
    before = dict(desk.sql(rows, block_id))
    outcome = desk.execute(UnlinkAccount(command_id=uuid.uuid4(), account_id=leaver))
    assert [c["block_id"] for c in outcome.result["closes"]] == [str(block_id)]
    wait_for(lambda: dict(desk.sql(rows, block_id)).get(leaver) == 0)
    after = dict(desk.sql(rows, block_id))
    assert {k: v for k, v in after.items() if k != leaver} == {
        k: v for k, v in before.items() if k != leaver
    }
    status = "SELECT status FROM {link} WHERE account_id = %s"
    wait_for(lambda: desk.sql(status, leaver) == [("detached",)])
    desk.flat()
    desk.verify()


def test_a_chart_starts_with_the_servers_history_and_keeps_what_was_recorded(desk: Desk) -> None:
    count = "SELECT count(*) FROM {bar} WHERE symbol = 'EURUSD'"
    wait_for(lambda: desk.sql(count)[0][0] > 1_000)
    ((server_id, at),) = desk.sql(
        "SELECT server_id, min(at) FROM {bar} WHERE symbol = 'EURUSD' GROUP BY server_id"
    )
    minute_ms = int(at.timestamp() * 1000)
    nine = Decimal(9)
    own = Bar(minute_ms, nine, nine, nine, nine, 7)
    before = desk.sql(count)
    row = "SELECT open, ticks FROM {bar} WHERE symbol = 'EURUSD' AND at = %s"
    kept = desk.sql(row, at)
    write_missing(desk.broker, server_id, "EURUSD", [own])
    assert desk.sql(row, at) == kept
    assert desk.sql(count) == before
    earlier = msgspec.structs.replace(own, at_ms=minute_ms - 60_000)
    write_missing(desk.broker, server_id, "EURUSD", [earlier])
    assert desk.sql(count)[0][0] == before[0][0] + 1


def test_who_left_still_pays_a_fee_on_the_server_and_in_the_rows(desk: Desk) -> None:
    leaver = desk.stage.account_ids[0]
    desk.execute(UnlinkAccount(command_id=uuid.uuid4(), account_id=leaver))
    status = "SELECT status FROM {link} WHERE account_id = %s"
    wait_for(lambda: desk.sql(status, leaver) == [("detached",)])
    balance = "SELECT balance_minor FROM {account_state} WHERE account_id = %s"
    ((before,),) = desk.sql(balance, leaver)
    fee = AdjustBalance(
        command_id=uuid.uuid4(), account_id=leaver, kind="fee", amount_minor=1_234, former=True
    )
    assert desk.execute(fee).result["status"] == "done"
    wait_for(lambda: desk.sql(balance, leaver) == [(before - 1_234,)])
    desk.verify()
