"""A master on one trading server, accounts on it and on another: names, steps, digits, absences."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.core.management import call_command

from apps.core.book.commands import RetryLegs
from apps.engine import client
from tests.engine.desk import Desk, wait_for
from tests.engine.elsewhere import Elsewhere, second_server
from tests.engine.test_mirror import legs, tickets

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


@pytest.fixture(scope="module")
def elsewhere(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    with second_server(desk, tmp_path_factory.mktemp("pro") / "data", 3) as made:
        yield made


def test_one_block_is_booked_here_and_mirrored_there_in_that_servers_terms(
    desk: Desk, elsewhere: Elsewhere
) -> None:
    with desk.price("EURUSD") as set_price:
        set_price(108_000, 108_010)
        wait_for(
            lambda: (
                client.latest_quotes(desk.broker, desk.stage.server_id)["EURUSD"].bid == "1.08000"
            )
        )
        elsewhere.feed.set("EURUSD.pro", 10_802, 10_804)
        block_id = desk.place("20.00")
        desk.wait_state(block_id, "open")
        wait_for(
            lambda: (
                [s for a, _, s, *_ in legs(desk, block_id) if a in elsewhere.account_ids]
                == ["filled"] * 3
            )
        )
        shares = {a: (steps, slip) for a, steps, _, _, slip in legs(desk, block_id)}
        rows = desk.sql(
            "SELECT account_id, symbol, steps, volume_step, open_price FROM {ticket}"
            " WHERE block_id = %s",
            block_id,
        )
        for account, symbol, steps, step, price in rows:
            promised, slipped = shares[account]
            if account not in elsewhere.account_ids:
                assert (symbol, steps, step) == ("EURUSD", promised, Decimal("0.01"))
                assert (price, slipped) == (Decimal("1.08010"), None)
                continue
            # 0.01 lot of 100,000 is 0.10 lots of 10,000: two steps of 0.05
            assert (symbol, steps, step) == ("EURUSD.pro", 2 * promised, Decimal("0.05"))
            assert (price, slipped) == (Decimal("1.0804"), 3)  # against 1.0801
        ((filled,),) = desk.sql("SELECT filled_steps FROM {block} WHERE id = %s", block_id)
        assert filled == sum(steps for steps, _ in shares.values())
        desk.close(block_id, fraction=Decimal("0.5"))
        wait_for(
            lambda: (
                desk.sql("SELECT open_steps FROM {block} WHERE id = %s", block_id)
                == [(filled - (filled + 1) // 2,)]
            )
        )
        desk.flat()
    desk.verify()


def test_what_is_less_than_that_servers_step_fails_with_its_reason_and_the_others_trade(
    desk: Desk, elsewhere: Elsewhere
) -> None:
    with desk.price("XAUUSD") as set_price:
        set_price(236_000, 236_010)
        wait_for(
            lambda: (
                client.latest_quotes(desk.broker, desk.stage.server_id)["XAUUSD"].bid == "2360.00"
            )
        )
        block_id = desk.place("10.00", "XAUUSD")
        desk.wait_state(block_id, "open")
        wait_for(lambda: all(s != "sent" for _, _, s, *_ in legs(desk, block_id)))
        there = [row for row in legs(desk, block_id) if row[0] in elsewhere.account_ids]
        assert {(status, code) for _, _, status, code, _ in there} == {("failed", "leg_below_min")}
    desk.flat()
    desk.verify()


@pytest.mark.parametrize("fault", ["lose_ack", "drop_before", "drop_after", "duplicate_fill"])
def test_faults_of_the_other_server_execute_every_leg_once(
    desk: Desk, elsewhere: Elsewhere, fault: str
) -> None:
    elsewhere.feed.all()
    elsewhere.fault(fault)
    block_id = desk.place("9.00", "USDJPY", side="sell")
    desk.wait_state(block_id, "open")
    wait_for(
        lambda: (
            {s for a, _, s, *_ in legs(desk, block_id) if a in elsewhere.account_ids} == {"filled"}
        )
    )
    desk.flat()
    desk.verify()


def test_while_a_server_is_away_its_legs_wait_shown_and_are_settled_when_it_is_back(
    desk: Desk, elsewhere: Elsewhere
) -> None:
    elsewhere.feed.close()
    elsewhere.process.kill()
    block_id = desk.place("12.00")
    desk.wait_state(block_id, "open")
    here = [s for a, _, s, *_ in legs(desk, block_id) if a not in elsewhere.account_ids]
    assert set(here) == {""}
    time.sleep(1)
    waiting = [s for a, _, s, *_ in legs(desk, block_id) if a in elsewhere.account_ids]
    assert waiting == ["sent"] * 3
    frame = client.latest_frame(desk.broker, desk.stage.book_id)
    assert frame is not None
    (view,) = [one for one in frame.blocks if one.block_id == block_id]
    assert view.legs is not None
    assert (view.legs.pending, view.legs.filled, view.legs.failed) == (3, 0, 0)
    assert client.servers(desk.broker)[elsewhere.server_id] == "away"
    elsewhere.process.start()
    elsewhere.feed = type(elsewhere.feed)(elsewhere.process.url)
    elsewhere.feed.all()
    settle_there(desk, elsewhere, block_id)
    if any(s == "failed" for _, _, s, *_ in legs(desk, block_id)):  # it was back before its prices
        desk.execute(RetryLegs(command_id=uuid.uuid4(), block_id=block_id))
        settle_there(desk, elsewhere, block_id, "filled")
    assert len(tickets(desk, block_id)) == sum(1 for _, s, *_ in legs(desk, block_id) if s)
    desk.flat()
    desk.verify()


def settle_there(desk: Desk, elsewhere: Elsewhere, block_id: uuid.UUID, *wanted: str) -> None:
    wait_for(
        lambda: (
            {s for a, _, s, *_ in legs(desk, block_id) if a in elsewhere.account_ids}
            <= set(wanted or ("filled", "failed"))
        )
    )


def test_rebuilt_rows_are_the_same(desk: Desk, elsewhere: Elsewhere) -> None:
    query = "SELECT * FROM {ticket} ORDER BY id"
    before = desk.sql(query)
    assert {row[3] for row in before} >= {"EURUSD", "EURUSD.pro"}
    call_command("rebuild_projections", broker=desk.broker, book=desk.stage.book_id)
    assert desk.sql(query) == before
    desk.verify()
