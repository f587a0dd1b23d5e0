"""Equity protection where every account has an order of its own: legs are closed, then blocked."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from apps.core.book.commands import HardStop
from apps.core.errors import RejectedError
from apps.demo.main_job_setup import make_stage
from apps.engine import client
from tenants.models import Broker
from tests.engine.desk import Desk, EngineThread, committed, wait_for
from tests.engine.test_mirror import legs, plain_server, settle
from tests.engine.test_risk import accounts, lift, open_steps, phase, protect, status

pytestmark = pytest.mark.django_db  # else pytest-django makes no test database


@pytest.fixture(scope="module")
def desk(own_broker: Broker, simulator: str) -> Iterator[Desk]:
    """A running engine with a book of ten accounts, none of which can be booked."""
    slug = own_broker.slug
    committed(lambda: plain_server(slug))
    with EngineThread(f"{slug}/one", slug):
        stage = make_stage(slug, 10, seed=5, say=lambda _: None)
        yield Desk(stage, simulator)


def opened(desk: Desk, lots: str = "5.00") -> uuid.UUID:
    """A block of which every leg has filled."""
    block_id = desk.place(lots)
    settle(desk, block_id)
    assert {status for _, _, status, _, _ in legs(desk, block_id)} == {"filled"}
    return block_id


def hard_stop(desk: Desk) -> None:
    ask = HardStop(command_id=uuid.uuid4(), party="manager", token="")
    seen = client.preview_stop(desk.broker, desk.stage.book_id, ask)
    desk.execute(HardStop(command_id=uuid.uuid4(), party="manager", token=seen.token))


def test_an_account_stop_closes_the_legs_of_that_account_alone_and_blocks_it(desk: Desk) -> None:
    with desk.euro() as quote:
        account_id, balance = accounts(desk)[0]
        block_id = opened(desk)
        before = open_steps(desk, block_id)
        limit = balance - before[account_id] * 1_000
        protect(desk, "account", account_id, stop_equity_minor=limit, party="investor")
        quote(106_000, 106_010)
        wait_for(lambda: phase(desk, account_id) == "blocked")
        assert open_steps(desk, block_id) == {**before, account_id: 0}
        assert status(desk, account_id) == "blocked"
        second = opened(desk, "3.00")
        assert account_id not in open_steps(desk, second)
        protect(desk, "account", account_id, party="investor")
        lift(desk, account_id, "investor")
        wait_for(lambda: status(desk, account_id) == "active")
        desk.flat()
        desk.verify()


def test_a_hard_stop_closes_every_leg_and_blocks_the_book(desk: Desk) -> None:
    with desk.euro():
        first, second = opened(desk), opened(desk, "2.00")
        hard_stop(desk)
        wait_for(lambda: phase(desk, None) == "blocked")
        for block_id in (first, second):
            assert desk.state_of(block_id) == "closed"
            assert set(open_steps(desk, block_id).values()) == {0}
        with pytest.raises(RejectedError) as refused:
            desk.place("1.00")
        assert refused.value.code == "book_stopped"
        lift(desk, party="manager")
        wait_for(lambda: phase(desk, None) == "lifted")
        opened(desk, "1.00")
        desk.flat()
        desk.verify()


def test_a_stop_goes_on_when_a_server_refuses_to_close_a_leg(desk: Desk) -> None:
    with desk.euro():
        block_id = opened(desk)
        desk.fault("reject", count=2)
        hard_stop(desk)
        wait_for(lambda: phase(desk, None) == "blocked")
        assert desk.state_of(block_id) == "closed"
        rows = desk.sql(
            "SELECT attempts FROM {stop} WHERE account_id IS NULL ORDER BY triggered_at DESC"
        )
        assert rows[0][0] >= 2
        lift(desk, party="manager")
        desk.verify()


def test_a_stop_while_legs_are_on_their_way_closes_what_they_open(desk: Desk) -> None:
    with desk.euro() as quote:
        desk.fault("partial", steps=20)  # the first leg is filled quote by quote
        block_id = desk.place("5.00")
        wait_for(lambda: [row[2] for row in legs(desk, block_id)].count("sent") == 1)
        hard_stop(desk)
        wait_for(lambda: phase(desk, None) == "closing")
        assert [row[2] for row in legs(desk, block_id)].count("sent") == 1
        for at in range(200):
            quote(108_001 + at % 2, 108_011 + at % 2)
            if phase(desk, None) == "blocked":
                break
        wait_for(lambda: phase(desk, None) == "blocked")
        assert desk.state_of(block_id) == "closed"
        assert set(open_steps(desk, block_id).values()) == {0}
        lift(desk, party="manager")
        desk.verify()
